//! Numbers as Clojure spells them.

use super::Value;

/// Reads a whole token as a number: `12`, `-0x1f`, `017` (octal), `36rZZ`, `7N`, `1.5`, `1e3`, `100M`, `2/3`.
pub(super) fn parse(text: &str) -> Option<Value> {
    let bytes = text.as_bytes();
    if bytes.len() < 19 && bytes.first() != Some(&b'0') && bytes.iter().all(u8::is_ascii_digit) {
        return Some(Value::Int(
            bytes
                .iter()
                .fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')),
        ));
    }
    let (negative, unsigned) = match bytes.first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if !unsigned.as_bytes().first()?.is_ascii_digit() {
        return None;
    }
    if let Some((above, below)) = unsigned.split_once('/') {
        return ratio(negative, above, below);
    }
    integer(negative, unsigned).or_else(|| float(negative, unsigned))
}

fn integer(negative: bool, unsigned: &str) -> Option<Value> {
    let (digits, big) = match unsigned.strip_suffix('N') {
        // With a radix, N may be a digit: Clojure's pattern is greedy there.
        Some(rest) if !unsigned.contains(['r', 'R']) => (rest, true),
        _ => (unsigned, false),
    };
    let magnitude = if digits == "0" {
        0
    } else if let Some(hex) = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        radix(hex, 16)?
    } else if let Some((base, digits)) = digits.split_once(['r', 'R']) {
        let base = base
            .parse()
            .ok()
            .filter(|radix| !base.starts_with('0') && (2..=36).contains(radix))?;
        radix(digits, base)?
    } else if let Some(octal) = digits.strip_prefix('0') {
        radix(octal, 8)?
    } else if digits.bytes().all(|digit| digit.is_ascii_digit()) {
        match digits.parse::<u128>() {
            Ok(number) => number,
            Err(_) => return Some(Value::BigInt(signed(negative, digits))),
        }
    } else {
        return None;
    };
    Some(sized(negative, magnitude, big))
}

fn sized(negative: bool, magnitude: u128, big: bool) -> Value {
    let number = i128::try_from(magnitude)
        .ok()
        .map(|number| if negative { -number } else { number });
    match number.and_then(|number| i64::try_from(number).ok()) {
        Some(number) if !big => Value::Int(number),
        _ => Value::BigInt(signed(negative && magnitude != 0, &magnitude.to_string())),
    }
}

/// Beyond 128 bits only decimal integers are read.
fn radix(digits: &str, radix: u32) -> Option<u128> {
    let is_digit = |digit: u8| char::from(digit).is_digit(radix);
    if digits.bytes().all(is_digit) {
        u128::from_str_radix(digits, radix).ok()
    } else {
        None
    }
}

fn ratio(negative: bool, above: &str, below: &str) -> Option<Value> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    if !digits(above) || !digits(below) {
        return None;
    }
    let (above, below): (u128, u128) = (above.parse().ok()?, below.parse().ok()?);
    if below == 0 {
        return None;
    }
    let (mut a, mut b) = (above, below);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    Some(if below == a {
        sized(negative, above / a, false)
    } else {
        Value::Ratio(signed(negative, &format!("{}/{}", above / a, below / a)))
    })
}

fn float(negative: bool, unsigned: &str) -> Option<Value> {
    let (text, decimal) = match unsigned.strip_suffix('M') {
        Some(rest) => (rest, true),
        None => (unsigned, false),
    };
    let parts = parts(text)?;
    if !decimal {
        if !text.contains(['.', 'e', 'E']) {
            return None; // `09`
        }
        let number: f64 = text.parse().ok()?;
        return Some(Value::Float(if negative { -number } else { number }));
    }
    // Java keeps the scale in 32 bits.
    i32::try_from(parts.exponent).ok()?;
    i32::try_from(parts.fraction.len() as i64 - parts.exponent).ok()?;
    let text = match text.split_once('.') {
        Some((whole, rest)) if parts.fraction.is_empty() => format!("{whole}{rest}"),
        _ => text.to_owned(),
    };
    Some(Value::BigDec(signed(negative, &text)))
}

struct Parts<'a> {
    whole: &'a str,
    fraction: &'a str,
    exponent: i64,
}

/// `12`, `12.`, `12.50`, `1e3`, `1.5E-7`, without a sign before it.
fn parts(text: &str) -> Option<Parts<'_>> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
                return None;
            }
            // A float may have any exponent (it is infinite or zero then); what matters is that it is out of range.
            (mantissa, exponent.parse().unwrap_or(i64::MAX / 2))
        }
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
    (!whole.is_empty() && digits(whole) && digits(fraction)).then_some(Parts {
        whole,
        fraction,
        exponent,
    })
}

fn signed(negative: bool, digits: &str) -> Box<str> {
    if negative {
        format!("-{digits}").into()
    } else {
        digits.into()
    }
}

/// What makes two decimals equal: sign, digits without zeros around them, exponent. Text that is no decimal is itself.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum DecimalKey<'a> {
    Number {
        negative: bool,
        digits: String,
        exponent: i64,
    },
    Other(&'a str),
}

pub(super) fn decimal_key(text: &str) -> DecimalKey<'_> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let Some(parts) = parts(unsigned) else {
        return DecimalKey::Other(text);
    };
    let all = format!("{}{}", parts.whole, parts.fraction);
    let digits = all.trim_end_matches('0');
    let exponent = parts.exponent - parts.fraction.len() as i64 + (all.len() - digits.len()) as i64;
    let digits = digits.trim_start_matches('0').to_owned();
    if digits.is_empty() {
        return DecimalKey::Number {
            negative: false,
            digits,
            exponent: 0,
        };
    }
    DecimalKey::Number {
        negative,
        digits,
        exponent,
    }
}

/// Whether `text` and `N` read back as the same integer.
pub(super) fn is_writable_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    text != "-0"
        && (digits == "0"
            || (!digits.is_empty()
                && !digits.starts_with('0')
                && digits.bytes().all(|digit| digit.is_ascii_digit())))
}

/// Whether `text` and `M` read back as the same decimal.
pub(super) fn is_writable_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    matches!(float(text.len() != unsigned.len(), &format!("{unsigned}M")), Some(Value::BigDec(read)) if *read == *text)
}

/// Whether `text` reads back as the same ratio.
pub(super) fn is_writable_ratio(text: &str) -> bool {
    matches!(parse(text), Some(Value::Ratio(read)) if *read == *text)
}
