//! What a client wants, as `Accept` says it.

/// The known type with the highest `q`, the first of equals; `otherwise` where none is named. `known` tells
/// types by their name in lower case.
pub fn wished<'a, T>(
    accept: impl IntoIterator<Item = &'a str>,
    otherwise: T,
    known: impl Fn(&str) -> Option<T>,
) -> T {
    let mut best = (0.0, otherwise);
    for range in accept.into_iter().flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().map(str::to_ascii_lowercase);
        let Some(known) = name.as_deref().and_then(&known) else {
            continue;
        };
        let q = parts
            .find_map(|part| part.strip_prefix("q="))
            .map_or(1.0, |q| q.parse().unwrap_or(0.0));
        if q > best.0 {
            best = (q, known);
        }
    }
    best.1
}
