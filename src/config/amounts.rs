//! Ages and sizes as people write them.

use std::time::Duration;

/// An age: `90s`, `20m`, `2h`, `3d`, `2w`.
pub fn parse_age(text: &str) -> Result<Duration, String> {
    let wrong = || "write a time as 90s, 20m, 2h, 3d or 2w".to_owned();
    let (number, unit) = split(text).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit = match unit {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        "w" => 7 * 24 * 3600,
        _ => return Err(wrong()),
    };
    let seconds = number.checked_mul(unit).ok_or_else(wrong)?;
    Ok(Duration::from_secs(seconds))
}

/// A size in bytes: `500MB`, `1.5GB`, `2TB`; also `GiB`. A number alone is no size: nobody knows of
/// what.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || "write a size as 500MB, 1.5GB or 2GiB".to_owned();
    let (number, unit) = split(text).ok_or_else(wrong)?;
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let unit: u64 = match unit.to_ascii_lowercase().as_str() {
        "kb" => 1000,
        "mb" => 1000_u64.pow(2),
        "gb" => 1000_u64.pow(3),
        "tb" => 1000_u64.pow(4),
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err(wrong()),
    };
    let bytes = number * unit as f64;
    // More than a disk can have is a slip of the finger.
    if (0.0..1e18).contains(&bytes) {
        Ok(bytes as u64)
    } else {
        Err(wrong())
    }
}

/// A number and its unit, with or without a space between them.
fn split(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit);
    let number = number.trim_end();
    let is_number = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    (!number.is_empty() && is_number(number)).then_some((number, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_sizes_are_read_with_their_units() {
        let day = 24 * 3600;
        for (text, seconds) in [
            ("90s", 90),
            ("20 min", 1200),
            ("2h", 7200),
            ("30d", 30 * day),
            ("2w", 14 * day),
        ] {
            assert_eq!(parse_age(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for (text, bytes) in [
            ("500MB", 500_000_000),
            ("1.5 gb", 1_500_000_000),
            ("2GiB", 2 << 30),
            ("0KB", 0),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "5",
            "d",
            "-3d",
            "3 x",
            "1.5d",
            "99999999999999999999w",
            "1e3s",
        ] {
            assert!(parse_age(text).is_err(), "{text}");
        }
        for text in [
            "",
            "5",
            "GB",
            "-1GB",
            "1e9MB",
            "1.2.3GB",
            "9999999999TB",
            "5B",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
