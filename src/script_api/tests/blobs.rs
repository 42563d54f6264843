//! Artifacts and caches in both flavours: script-api.md §10, row by row.

use std::fs;

use super::*;

/// An archive with one file.
pub(super) fn archive_of(name: &str, content: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(name), content).unwrap();
    let mut archive = Vec::new();
    crate::archive::pack(dir.path(), Path::new(name), &mut archive).unwrap();
    archive
}

#[tokio::test]
async fn saves_and_restores_go_by_post_and_put_and_for_caches_too() {
    let service = Service::start().await;
    let script = service.script();
    fs::create_dir_all(service.checkout().join("out/deep")).unwrap();
    fs::write(service.checkout().join("out/deep/file"), "content").unwrap();
    for kind in ["artifact", "cache"] {
        for method in [Method::POST, Method::PUT] {
            let save = script
                .request(&method, &format!("/{kind}/job/some-id"))
                .body(r#"{:path "out"}"#);
            let saved = value(send(save).await).await;
            assert_eq!(saved, read(r#"{:path "out" :id "some-id"}"#));

            let to = format!("{kind}+{method} dir");
            let path = format!("/{kind}/job/some-id?path={}", to.replace(' ', "+"));
            let restored = value(script.get(&path).await).await;
            let to = to.replace('+', " ");
            assert_eq!(restored.get("path"), Some(&to.as_str().into()));
            let copy = fs::read(service.checkout().join(to).join("deep/file")).unwrap();
            assert_eq!(copy, b"content");
        }
    }
}

#[tokio::test]
async fn paths_are_relative_to_where_the_job_works() {
    let service = Service::start().await;
    let script = service.script();
    fs::create_dir(service.checkout().join("sub")).unwrap();
    fs::write(service.checkout().join("sub/file"), "in sub").unwrap();
    service
        .announce(r#"{:id "a" :type :action :work-dir "sub"}"#)
        .await;

    script.post("/artifact/a/f", r#"{:path "file"}"#).await;
    let restored = script.get("/artifact/a/f?path=back").await;
    assert_eq!(restored.status(), 200);
    let back = service.checkout().join("sub/back/file");
    assert_eq!(fs::read(back).unwrap(), b"in sub");
}

#[tokio::test]
async fn a_file_restored_onto_itself_is_replaced() {
    let service = Service::start().await;
    let script = service.script();
    let file = service.checkout().join("art.txt");
    fs::write(&file, "as saved").unwrap();
    script
        .post("/artifact/create/art-1", r#"{:path "art.txt"}"#)
        .await;
    fs::write(&file, "changed meanwhile").unwrap();
    let restored = script.get("/artifact/use/art-1?path=art.txt").await;
    assert_eq!(restored.status(), 200);
    assert_eq!(fs::read(&file).unwrap(), b"as saved");

    // Another file is in the way: nobody knows which of the two is meant.
    fs::write(service.checkout().join("other"), "mine").unwrap();
    let in_the_way = script.get("/artifact/use/art-1?path=other").await;
    assert_eq!(in_the_way.status(), 422);
    assert_eq!(fs::read(service.checkout().join("other")).unwrap(), b"mine");
}

#[tokio::test]
async fn an_absolute_path_in_the_temp_folder_is_restored_to() {
    let service = Service::start().await;
    let script = service.script();
    fs::write(service.checkout().join("report.xml"), "<x/>").unwrap();
    script
        .post("/artifact/a/junit", r#"{:path "report.xml"}"#)
        .await;
    let target = tempfile::tempdir().unwrap();
    let to = target.path().join("junit");
    let answer = script
        .get(&format!("/artifact/a/junit?path={}", to.display()))
        .await;
    assert_eq!(answer.status(), 200);
    assert_eq!(fs::read(to.join("report.xml")).unwrap(), b"<x/>");
}

#[tokio::test]
async fn paths_that_leave_the_checkout_are_refused() {
    let service = Service::start().await;
    let script = service.script();
    fs::write(service.home.path().join("secret"), "x").unwrap();
    fs::write(service.checkout().join("fine"), "x").unwrap();
    script.post("/artifact/a/fine", r#"{:path "fine"}"#).await;
    for path in ["../secret", "/etc/passwd", "..", "x/../../secret"] {
        let save = script
            .post("/artifact/a/out", format!("{{:path {path:?}}}"))
            .await;
        assert_eq!(save.status(), 400, "save {path}");
    }
    for path in ["../elsewhere", "/etc/cron.d", "x/../../y"] {
        let restore = script.get(&format!("/artifact/a/fine?path={path}")).await;
        assert_eq!(restore.status(), 400, "restore {path}");
    }
    service.warning("leaves the checkout").await;
    assert!(!service.home.path().join("elsewhere").exists());
}

#[tokio::test]
async fn ids_cannot_climb_out_of_the_store() {
    let service = Service::start().await;
    let script = service.script();
    fs::write(service.checkout().join("f"), "x").unwrap();
    let ids = [
        "..%2F..%2Fetc",
        "%2Fetc%2Fpasswd",
        "a%2Fb",
        "%00",
        "..%5C..",
    ];
    for id in ids {
        let path = format!("/artifact/..%2F../{id}");
        assert_eq!(
            script.post(&path, r#"{:path "f"}"#).await.status(),
            200,
            "{id}"
        );
        assert_eq!(
            script.get(&format!("{path}?path=got")).await.status(),
            200,
            "{id}"
        );
    }
    let blobs = service.blobs.0.lock().unwrap();
    assert_eq!(blobs.len(), ids.len());
    for key in blobs.keys() {
        assert_eq!(key.matches('/').count(), 4, "{key}");
        assert!(key.split('/').all(|part| part != ".."), "{key}");
    }
}

#[tokio::test]
async fn what_is_missing_is_no_error_for_the_library() {
    let service = Service::start().await;
    let script = service.script();
    let nothing = value(script.post("/artifact/a/x", r#"{:path "missing"}"#).await).await;
    assert_eq!(nothing, read(r#"{:path nil :id "x"}"#));
    service.warning("nothing to save").await;
    assert_eq!(script.get("/cache/a/x?path=p").await.status(), 204);
    assert_eq!(script.get("/artifact/a/x?path=p").await.status(), 204);
    let warning = service.warning("there is no artifact \"x\"").await;
    assert_eq!(warning.job_id, Some("a".into()));
    assert!(!service.checkout().join("p").exists());
}

#[tokio::test]
async fn flavour_b_moves_archives() {
    let service = Service::start().await;
    let script = service.script();
    let archive = archive_of("file", "content");
    assert_eq!(script.get("/artifact/x").await.status(), 404);
    assert_eq!(script.get("/cache/x").await.status(), 204);
    let saved = value(script.put("/artifact/x", archive.clone()).await).await;
    assert_eq!(saved, read(r#"{:artifact-id "x"}"#));
    let saved = value(script.put("/cache/x", archive.clone()).await).await;
    assert_eq!(saved, read(r#"{:cache-id "x"}"#));
    for path in ["/artifact/x", "/cache/x"] {
        let answer = script.get(path).await;
        assert_eq!(answer.headers()["content-type"], "application/octet-stream");
        assert_eq!(answer.bytes().await.unwrap(), archive);
    }
    // And the other flavour can unpack it.
    assert_eq!(script.get("/artifact/a/x?path=got").await.status(), 200);
    assert_eq!(
        fs::read(service.checkout().join("got/file")).unwrap(),
        b"content"
    );
}

#[tokio::test]
async fn a_body_without_a_path_or_without_anything_is_refused() {
    let service = Service::start().await;
    let script = service.script();
    for body in [
        "",
        "{}",
        "{:path nil}",
        "{:path 1}",
        "[\"x\"]",
        "\"x\"",
        "{:path",
        "7",
    ] {
        let answer = script.put("/artifact/a/x", body).await;
        assert_eq!(answer.status(), 400, "{body}");
    }
    assert_eq!(script.get("/artifact/a/x").await.status(), 400);
    assert!(service.blobs.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_path_is_read_from_json_too() {
    let service = Service::start().await;
    fs::write(service.checkout().join("f"), "x").unwrap();
    let request = service
        .script()
        .request(&Method::PUT, "/artifact/a/x")
        .header("content-type", "application/json")
        .header("accept", "application/json")
        .body(r#"{"path": "f"}"#);
    let answer = send(request).await.text().await.unwrap();
    assert_eq!(answer, "{\"path\":\"f\",\"id\":\"x\"}\n");
}

#[tokio::test]
async fn an_upload_over_the_quota_is_413_and_keeps_what_was_there() {
    let service = Service::with(Settings {
        blob_quota: 10_000,
        ..Settings::default()
    })
    .await;
    let script = service.script();
    let small = archive_of("file", "content");
    assert_eq!(script.put("/artifact/x", small.clone()).await.status(), 200);
    let mut large = small.clone();
    large.resize(20_000, 0);
    assert_eq!(script.put("/artifact/x", large).await.status(), 413);
    assert_eq!(
        script.get("/artifact/x").await.bytes().await.unwrap(),
        small
    );
}

#[tokio::test]
async fn an_upload_that_is_cut_off_keeps_what_was_there() {
    let service = Service::start().await;
    let script = service.script();
    let whole = archive_of("file", "content");
    script.put("/artifact/x", whole.clone()).await;
    let cut = futures_util::stream::iter([
        Ok(bytes::Bytes::from_static(b"\x1f\x8b half")),
        Err(std::io::Error::other("the client dies")),
    ]);
    let body = reqwest::Body::wrap_stream(cut);
    let request = script.request(&Method::PUT, "/artifact/x").body(body);
    assert!(soon("the cut", request.send()).await.is_err());
    assert_eq!(
        script.get("/artifact/x").await.bytes().await.unwrap(),
        whole
    );
}

#[tokio::test]
async fn what_cannot_be_unpacked_fails_an_artifact_and_no_cache() {
    let service = Service::start().await;
    let script = service.script();
    let garbage = b"\x1f\x8b and then nothing of the kind".to_vec();
    script.put("/artifact/x", garbage.clone()).await;
    script.put("/cache/x", garbage).await;
    assert_eq!(script.get("/artifact/a/x?path=p").await.status(), 422);
    assert_eq!(script.get("/cache/a/x?path=p").await.status(), 204);
    service.warning("could not restore cache").await;
}

#[tokio::test]
async fn large_folders_travel_in_a_stream() {
    let service = Service::start().await;
    let script = service.script();
    let noise: Vec<u8> = (0..5_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    fs::create_dir(service.checkout().join("big")).unwrap();
    fs::write(service.checkout().join("big/noise"), &noise).unwrap();
    let saved = script.post("/cache/a/x", r#"{:path "big"}"#).await;
    assert_eq!(saved.status(), 200);
    assert_eq!(script.get("/cache/a/x?path=back").await.status(), 200);
    assert_eq!(
        fs::read(service.checkout().join("back/noise")).unwrap(),
        noise
    );
}

#[tokio::test]
async fn what_cannot_be_packed_stores_nothing() {
    let service = Service::start().await;
    // Gone between the look and the packing.
    let vanished = service.checkout().join("vanished");
    let key = BlobKey::artifact(&sid(), "x");
    let error = crate::script_api::transfer::save(service.engine.blobs(), &key, vanished)
        .await
        .unwrap_err();
    assert!(!error.is_ours(), "{}", error.chain());
    assert!(service.blobs.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_same_remark_about_another_job_is_another_remark() {
    let service = Service::start().await;
    for job in ["a", "b", "a"] {
        let path = format!("/artifact/{job}/x?path=p");
        assert_eq!(service.script().get(&path).await.status(), 204);
    }
    service.engine.warn(None, "last");
    service.warning("last").await;
    assert_eq!(service.types().len(), 3);
}
