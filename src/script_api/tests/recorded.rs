//! Requests that the real script library has sent, sent again.

use std::fs;

use super::*;

/// The recordings of script children; `_server` is another API.
fn recordings() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut found: Vec<(String, String)> = fs::read_dir(&root)
        .expect("the transcripts are in the repository")
        .filter_map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let text = fs::read_to_string(entry.path().join("http.jsonl")).ok()?;
            (!name.starts_with('_')).then_some((name, text))
        })
        .collect();
    found.sort();
    assert!(found.len() > 20, "the recordings are found");
    found
}

/// What the library takes for success; anything else throws (script-api.md §2).
fn is_fine(status: u16) -> bool {
    matches!(status, 200..=207 | 300..=304 | 307)
}

#[tokio::test]
async fn every_recorded_request_gets_an_answer_that_the_library_takes() {
    for (name, recording) in recordings() {
        let service = Service::start().await;
        fs::write(service.checkout().join("art.txt"), "x").unwrap();
        let token = service.token(Scope::script_default());
        let client = service.caller(None);
        let mut posted = 0;
        for line in recording.lines() {
            let exchange: serde_json::Value = serde_json::from_str(line).unwrap();
            // The other lines tell of connections that were closed.
            let Some(method) = exchange["method"].as_str() else {
                continue;
            };
            let path = exchange["path"].as_str().unwrap();
            let body = exchange["body"].as_str().unwrap_or_default().to_owned();
            let method: Method = method.parse().unwrap();
            posted += usize::from(method == Method::POST && path == "/events");
            let mut request = client.request(&method, path).body(body);
            for header in exchange["headers"].as_array().unwrap() {
                let (key, value) = (header[0].as_str().unwrap(), header[1].as_str().unwrap());
                // The client sets these itself.
                if !["content-length", "host"].contains(&key.to_ascii_lowercase().as_str()) {
                    let value = value.replace("$TOKEN", token.expose_secret());
                    request = request.header(key, value);
                }
            }
            let status = send(request).await.status().as_u16();
            assert!(is_fine(status), "{name}: {method} {path}: {status}");
        }
        let heard = service
            .types()
            .iter()
            .filter(|kind| kind.starts_with("job/") || kind.starts_with("script/"))
            .count();
        assert!(heard > 0 && posted > 0, "{name}: {heard} of {posted}");
    }
}
