//! The recordings of `tests/transcripts`: what the real library sent, and what it was answered.

use std::path::Path;

use monkeyci_tui::edn::{self, Value};

/// One request, and the answer of the real command line's server.
#[derive(Debug)]
pub struct Exchange {
    pub conn: u64,
    pub at: f64,
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub status: u16,
    pub answer: String,
}

impl Exchange {
    /// The events of a posted body.
    pub fn posted(&self) -> Vec<Value> {
        if (self.method.as_str(), self.path.as_str()) != ("POST", "/events") {
            return Vec::new();
        }
        let read = edn::read_lenient(&self.body).unwrap();
        read.as_seq().unwrap().to_vec()
    }
}

/// What went over the wire in one build.
#[derive(Debug)]
pub struct Recording {
    pub name: String,
    pub exchanges: Vec<Exchange>,
    /// What came over the event stream, and when.
    pub streamed: Vec<(f64, Value)>,
}

/// All that went over the script API; `_server` is another API, `lib-canceled` has no requests.
pub fn all() -> Vec<Recording> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut found: Vec<Recording> = std::fs::read_dir(&root)
        .unwrap()
        .filter_map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let text = std::fs::read_to_string(entry.path().join("http.jsonl")).ok()?;
            (!name.starts_with('_')).then(|| Recording::read(name, &text))
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

impl Recording {
    fn read(name: String, text: &str) -> Self {
        let mut recording = Self {
            name,
            exchanges: Vec::new(),
            streamed: Vec::new(),
        };
        for line in text.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            // The other lines tell of connections that were closed.
            if line.get("method").is_none() {
                continue;
            }
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            let answer = &line["response"];
            for chunk in answer["chunks"].as_array().into_iter().flatten() {
                let at = chunk["t_ms"].as_f64().unwrap();
                let lines = chunk["data"].as_str().unwrap().lines();
                let data = lines.filter_map(|line| line.strip_prefix("data: "));
                let events = data.map(|line| (at, edn::read_lenient(line).unwrap()));
                recording.streamed.extend(events);
            }
            let headers = line["headers"].as_array().unwrap().iter();
            recording.exchanges.push(Exchange {
                conn: line["conn"].as_u64().unwrap(),
                at: line["t_ms"].as_f64().unwrap(),
                method: text(&line["method"]),
                path: text(&line["path"]),
                headers: headers
                    .map(|pair| (text(&pair[0]), text(&pair[1])))
                    .collect(),
                body: text(&line["body"]),
                status: answer["status_line"].as_str().unwrap()["HTTP/1.1 ".len()..][..3]
                    .parse()
                    .unwrap(),
                answer: text(&answer["body"]),
            });
        }
        recording.exchanges.sort_by(|a, b| a.at.total_cmp(&b.at));
        recording
    }

    /// What the script posted, in order.
    pub fn posted(&self) -> Vec<Value> {
        self.exchanges.iter().flat_map(Exchange::posted).collect()
    }

    /// What the runner said over the stream: all but what the library drops, and pings.
    pub fn runner(&self) -> impl Iterator<Item = &(f64, Value)> {
        let (script, ping) = (Value::kw("script"), Value::kw("ping"));
        self.streamed.iter().filter(move |(_, event)| {
            event.get("src") != Some(&script) && event.get("type") != Some(&ping)
        })
    }
}
