//! Many forms in one text.

use crate::edn::{Reader, Value, forms, read_all_lenient};

#[test]
fn forms_come_one_by_one_with_their_place() {
    let text = "{:a 1}\n; note\n#_ x :b\n\n#foo\n[1] \"é\" ";
    let read: Vec<_> = forms(text).map(Result::unwrap).collect();
    let sources: Vec<_> = read
        .iter()
        .map(|form| &text[form.start..form.end])
        .collect();
    assert_eq!(sources, ["{:a 1}", "#_ x :b", "#foo\n[1]", "\"é\""]);
    assert_eq!(read[2].value, Value::from("#foo\n[1]"));
    assert_eq!(read_all_lenient(text).unwrap().len(), 4);
    assert_eq!(read_all_lenient(" ; nothing\n"), Ok(vec![]));
    assert!(read_all_lenient("1 )").is_err());
}

#[test]
fn every_torn_tail_leaves_what_is_before_it() {
    let whole = "{:type :a, :n 1}\n{:type :b, :s \"é\\n\"}\n";
    let tail = "{:type :c, :s \"x\\\"y\", :v [#{\\a} #inst \"2026\"]}";
    for cut in (1..tail.len()).filter(|cut| tail.is_char_boundary(*cut)) {
        let text = format!("{whole}{}", &tail[..cut]);
        let mut forms = forms(&text);
        let good: Vec<_> = forms.by_ref().map_while(Result::ok).collect();
        assert_eq!(good.len(), 2, "{text}");
        assert_eq!(good[1].end, whole.len() - 1);
        assert!(forms.next().is_none());
        let error = read_all_lenient(&text).unwrap_err();
        assert!(error.is_incomplete(), "{text}: {error}");
        assert!(error.offset >= whole.len());
    }
}

#[test]
fn a_strict_reader_iterates_too() {
    let mut reader = Reader::strict("1 #foo 2 3");
    assert!(reader.next().unwrap().is_ok());
    assert!(reader.next().unwrap().is_err());
    assert!(reader.next().is_none());
}
