//! The keys to a bucket, found where Amazon's own tools find them: in the environment, or under a
//! profile's name in `~/.aws/credentials` and `~/.aws/config`. They are never in a file of ours.
//!
//! | profile is named in our config file | `AWS_ACCESS_KEY_ID` is set | the keys are those of |
//! | --- | --- | --- |
//! | yes | - | that profile |
//! | no | yes | the environment |
//! | no | no | the profile that `AWS_PROFILE` names, else `default` |

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

/// Largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// What asks for more than two keys, and is not done here.
const NOT_DONE: &[&str] = &[
    "role_arn",
    "sso_session",
    "sso_start_url",
    "credential_process",
    "web_identity_token_file",
    "login_session",
];

/// What requests are signed with.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The public half.
    pub id: String,
    /// The secret half.
    pub secret: SecretString,
    /// For keys that are good for a while only.
    pub token: Option<SecretString>,
}

/// Why there are no keys.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum CredentialsError {
    #[error(
        "there are no credentials for the bucket: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, \
         or name a profile of {}", .0.display()
    )]
    None(PathBuf),
    #[error("{0} is set, and {1} is not")]
    Half(&'static str, &'static str),
    #[error("there is no profile \"{profile}\" in {} or {}", credentials.display(), config.display())]
    NoProfile {
        profile: String,
        credentials: PathBuf,
        config: PathBuf,
    },
    #[error("the profile \"{profile}\" has no {missing}")]
    Incomplete {
        profile: String,
        missing: &'static str,
    },
    #[error(
        "the profile \"{profile}\" has {key}, which is not understood here: put keys into the \
         environment, as with `aws configure export-credentials --format env`"
    )]
    NotDone { profile: String, key: &'static str },
    #[error("{} cannot be read: {why}", path.display())]
    Unreadable { path: PathBuf, why: String },
}

/// Where keys may be.
#[derive(Debug)]
pub struct Profiles<F> {
    variable: F,
    credentials: PathBuf,
    config: PathBuf,
}

impl<F: Fn(&str) -> Option<String>> Profiles<F> {
    /// The files that these variables of the environment name.
    pub fn new(variable: F) -> Self {
        let home = PathBuf::from(set(&variable, "HOME").unwrap_or_default()).join(".aws");
        let file = |name, file| set(&variable, name).map_or_else(|| home.join(file), PathBuf::from);
        let credentials = file("AWS_SHARED_CREDENTIALS_FILE", "credentials");
        let config = file("AWS_CONFIG_FILE", "config");
        Self {
            variable,
            credentials,
            config,
        }
    }

    /// The keys, and the region that goes with them, if one is named.
    pub fn find(&self, profile: Option<&str>) -> Result<(Keys, Option<String>), CredentialsError> {
        let from_environment = match profile {
            Some(_) => None,
            None => self.keys_in_environment()?,
        };
        let region =
            set(&self.variable, "AWS_REGION").or_else(|| set(&self.variable, "AWS_DEFAULT_REGION"));
        if let Some(keys) = from_environment {
            return Ok((keys, region));
        }
        let named = profile
            .map(str::to_owned)
            .or_else(|| set(&self.variable, "AWS_PROFILE"));
        let (keys, own_region) = self.profile(named.as_deref())?;
        // Who names a profile in our file means its region too.
        let region = match profile {
            Some(_) => own_region.or(region),
            None => region.or(own_region),
        };
        Ok((keys, region))
    }

    fn keys_in_environment(&self) -> Result<Option<Keys>, CredentialsError> {
        const ID: &str = "AWS_ACCESS_KEY_ID";
        const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
        match (set(&self.variable, ID), set(&self.variable, SECRET)) {
            (Some(id), Some(secret)) => Ok(Some(Keys {
                id,
                secret: secret.into(),
                token: set(&self.variable, "AWS_SESSION_TOKEN").map(Into::into),
            })),
            (None, None) => Ok(None),
            (Some(_), None) => Err(CredentialsError::Half(ID, SECRET)),
            (None, Some(_)) => Err(CredentialsError::Half(SECRET, ID)),
        }
    }

    fn profile(&self, named: Option<&str>) -> Result<(Keys, Option<String>), CredentialsError> {
        let name = named.unwrap_or("default");
        let mut found = sections(&self.config)?.remove(&match name {
            "default" => name.to_owned(),
            other => format!("profile {other}"),
        });
        if let Some(section) = sections(&self.credentials)?.remove(name) {
            // Of what is in both, this file's counts.
            found.get_or_insert_default().extend(section);
        }
        let Some(mut section) = found else {
            return Err(match named {
                None => CredentialsError::None(self.credentials.clone()),
                Some(profile) => CredentialsError::NoProfile {
                    profile: profile.to_owned(),
                    credentials: self.credentials.clone(),
                    config: self.config.clone(),
                },
            });
        };
        let profile = || name.to_owned();
        let region = section.remove("region");
        let (id, secret) = (
            section.remove("aws_access_key_id"),
            section.remove("aws_secret_access_key"),
        );
        let beyond = NOT_DONE.iter().find(|key| section.contains_key(**key));
        match (id, secret, beyond) {
            (_, _, Some(key)) => Err(CredentialsError::NotDone {
                profile: profile(),
                key,
            }),
            (Some(id), Some(secret), _) => {
                let token = section.remove("aws_session_token").map(Into::into);
                let secret = secret.into();
                Ok((Keys { id, secret, token }, region))
            }
            (None, None, _) if named.is_none() => {
                Err(CredentialsError::None(self.credentials.clone()))
            }
            (None, _, _) => Err(CredentialsError::Incomplete {
                profile: profile(),
                missing: "aws_access_key_id",
            }),
            (_, None, _) => Err(CredentialsError::Incomplete {
                profile: profile(),
                missing: "aws_secret_access_key",
            }),
        }
    }
}

fn set(variable: &impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    variable(name).filter(|value| !value.trim().is_empty())
}

type Section = BTreeMap<String, String>;

/// The sections of a file; none when it is not there.
fn sections(path: &Path) -> Result<BTreeMap<String, Section>, CredentialsError> {
    let unreadable = |why: String| CredentialsError::Unreadable {
        path: path.to_owned(),
        why,
    };
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(unreadable(error.to_string())),
        // A pipe or a device would never end.
        Ok(found) if !found.is_file() => Err(unreadable("it is no file".to_owned())),
        Ok(found) if found.len() > LARGEST => {
            Err(unreadable(format!("it has more than {LARGEST} bytes")))
        }
        Ok(_) => std::fs::read_to_string(path)
            .map(|text| parse(&text))
            .map_err(|error| unreadable(error.to_string())),
    }
}

fn parse(text: &str) -> BTreeMap<String, Section> {
    let mut sections: BTreeMap<String, Section> = BTreeMap::new();
    let mut current = None;
    for line in text.lines() {
        // What is indented belongs to the value before, which is never one of ours.
        if line.starts_with([' ', '\t', '#', ';']) || line.is_empty() {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            let name = header.split(']').next().unwrap_or_default();
            let words: Vec<&str> = name.split_whitespace().collect();
            let name = words.join(" ");
            sections.entry(name.clone()).or_default();
            current = Some(name);
        } else if let (Some(name), Some((key, value))) = (&current, line.split_once('='))
            && let Some(section) = sections.get_mut(name)
        {
            section.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const CREDENTIALS: &str = "\
        # mine\n[default]\naws_access_key_id = ID0\naws_secret_access_key=sec=ret0\n\n\
        [work]\naws_access_key_id=ID1\naws_secret_access_key = secret1\naws_session_token = t1\n\
        [half]\naws_access_key_id = ID2\n";
    const CONFIG: &str = "\
        [default]\nregion = eu-north-1\ns3 =\n  aws_access_key_id = no\n\
        [profile   work]\nregion = eu-west-3\n[profile sso]\nsso_session = x\n[work]\nregion = no\n";

    /// Who gets which keys: id, secret, token, region.
    type Found = Result<(String, String, Option<String>, Option<String>), CredentialsError>;

    fn find(profile: Option<&str>, variables: &[(&str, &str)]) -> (Found, tempfile::TempDir) {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".aws")).unwrap();
        std::fs::write(home.path().join(".aws/credentials"), CREDENTIALS).unwrap();
        std::fs::write(home.path().join(".aws/config"), CONFIG).unwrap();
        let profiles = Profiles::new(|name| {
            if name == "HOME" {
                return home.path().to_str().map(str::to_owned);
            }
            let found = variables.iter().find(|variable| variable.0 == name);
            found.map(|variable| variable.1.to_owned())
        });
        let found = profiles.find(profile).map(|(keys, region)| {
            let token = keys.token.map(|token| token.expose_secret().to_owned());
            (
                keys.id,
                keys.secret.expose_secret().to_owned(),
                token,
                region,
            )
        });
        (found, home)
    }

    fn keys(profile: Option<&str>, variables: &[(&str, &str)]) -> [String; 4] {
        let (id, secret, token, region) = find(profile, variables).0.unwrap();
        [
            id,
            secret,
            token.unwrap_or_default(),
            region.unwrap_or_default(),
        ]
    }

    const ENVIRONMENT: &[(&str, &str)] = &[
        ("AWS_ACCESS_KEY_ID", "ID9"),
        ("AWS_SECRET_ACCESS_KEY", "secret9"),
        ("AWS_SESSION_TOKEN", "t9"),
        ("AWS_REGION", "us-west-1"),
    ];

    #[test]
    fn the_table_of_who_counts_holds() {
        assert_eq!(keys(None, &[]), ["ID0", "sec=ret0", "", "eu-north-1"]);
        assert_eq!(
            keys(None, &[("AWS_PROFILE", "work")]),
            ["ID1", "secret1", "t1", "eu-west-3"]
        );
        assert_eq!(
            keys(None, ENVIRONMENT),
            ["ID9", "secret9", "t9", "us-west-1"]
        );
        assert_eq!(
            keys(Some("work"), ENVIRONMENT),
            ["ID1", "secret1", "t1", "eu-west-3"]
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let said = |profile, variables: &[(&str, &str)]| {
            find(profile, variables).0.unwrap_err().to_string()
        };
        assert_eq!(
            said(None, &[("AWS_ACCESS_KEY_ID", "ID9")]),
            "AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not"
        );
        assert!(said(Some("nobody"), &[]).starts_with("there is no profile \"nobody\" in "));
        assert_eq!(
            said(Some("half"), &[]),
            "the profile \"half\" has no aws_secret_access_key"
        );
        assert!(said(Some("sso"), &[]).contains("has sso_session, which is not understood"));
        let elsewhere = [
            ("AWS_SHARED_CREDENTIALS_FILE", "/nowhere/a"),
            ("AWS_CONFIG_FILE", "/nowhere/b"),
        ];
        assert!(said(None, &elsewhere).starts_with("there are no credentials for the bucket"));
    }

    #[test]
    fn files_may_be_elsewhere() {
        let (_, home) = find(None, &[]);
        let file = home.path().join("mine");
        std::fs::write(
            &file,
            "[ci]\naws_access_key_id=A\naws_secret_access_key=B\n",
        )
        .unwrap();
        let file = file.to_str().unwrap();
        let variables = [("AWS_SHARED_CREDENTIALS_FILE", file)];
        assert_eq!(keys(Some("ci"), &variables), ["A", "B", "", ""]);
    }

    #[test]
    fn no_secret_is_in_what_is_shown_for_debugging() {
        let keys = Keys {
            id: "ID1".to_owned(),
            secret: "secret1".into(),
            token: Some("token1".into()),
        };
        let shown = format!("{keys:?}");
        assert!(
            !shown.contains("secret1") && !shown.contains("token1"),
            "{shown}"
        );
    }
}
