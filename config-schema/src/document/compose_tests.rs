use super::*;

fn json(text: &str) -> String {
    fn write(node: &Node, out: &mut String) {
        match &node.content {
            Content::Null => out.push_str("null"),
            Content::Bool(value) => out.push_str(&value.to_string()),
            Content::Integer(value) => out.push_str(&value.to_string()),
            Content::Float(value) => out.push_str(&format!("{value:?}")),
            Content::String(text) | Content::Word(text) => out.push_str(&format!("{text:?}")),
            Content::Sequence(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    write(item, out);
                }
                out.push(']');
            }
            Content::Mapping(entries) => {
                out.push('{');
                for (index, entry) in entries.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    out.push_str(&format!("{}:", entry.key));
                    write(&entry.value, out);
                }
                out.push('}');
            }
        }
    }
    let mut out = String::new();
    match compose(text, 0) {
        Ok(Some(node)) => write(&node, &mut out),
        Ok(None) => out.push_str("nothing"),
        Err(error) => out.push_str(&error.to_string()),
    }
    out
}

#[test]
fn anchors_aliases_and_merge_keys_are_written_out() {
    let text = "a: &a {x: 1, z: 2}\nb: {<<: *a, z: 3}\nc:\n  <<: [{x: 5}, *a]\nd: *a\n";
    assert_eq!(json(text), "{a:{x:1,z:2},b:{z:3,x:1},c:{x:5,z:2},d:{x:1,z:2}}");
    assert_eq!(json("'<<': 1"), "{<<:1}");
    assert!(json("<<: 1").contains("merge key"));
}

#[test]
fn keys_become_strings_and_may_not_repeat() {
    assert_eq!(json("80: a\nyes: b\n1.5: c\n\"80x\": d"), r#"{80:"a",yes:"b",1.5:"c",80x:"d"}"#);
    assert_eq!(json("a: 1\nb: 2\na: 3\n"), r#"line 3, column 1: the key "a" stands here twice"#);
    assert_eq!(json("80: 1\n\"80\": 3\n"), r#"line 2, column 1: the key "80" stands here twice"#);
    assert!(json("~: 1").contains("must be a string"));
    assert!(json("? [a]\n: 1").contains("must be a string"));
}

#[test]
fn tags_that_yaml_defines_work_and_others_do_not() {
    assert_eq!(
        json("[!!str 80, !!int \"80\", !!float 1, !!binary aGk=, ! 80]"),
        r#"[80,80,1.0,"hi","80"]"#.replacen("80", "\"80\"", 1)
    );
    assert!(json("!env HOME").contains("tag"));
    assert!(json("!!int hello").contains("!!int"));
    assert!(json("!!python/object {a: 1}").contains("tag"));
}

#[test]
fn json_is_read_too() {
    let text = "{\n\t\"a\": [1, 2.5, true, null, \"x\\ty\\u00e9\\/\"],\n\t\"b\": {}\n}";
    assert_eq!(json(text), "{a:[1,2.5,true,null,\"x\\tyé/\"],b:{}}");
}

#[test]
fn positions_are_those_of_the_file() {
    let root = compose("---\nspec:\n  hosts:\n  - é: {k: v}\n", 10).unwrap().unwrap();
    let spec = root.entry("spec").unwrap();
    assert_eq!(spec.key_position, Position { line: 12, column: 1 });
    let item = &spec.value.get("hosts").unwrap().items()[0];
    assert_eq!(item.position, Position { line: 14, column: 5 });
    let inner = item.get("é").unwrap().entry("k").unwrap();
    assert_eq!(inner.key_position, Position { line: 14, column: 9 });
    assert_eq!(inner.value.position, Position { line: 14, column: 12 });
}

#[test]
fn what_is_built_to_exhaust_the_reader_is_refused() {
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..20 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(",");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert!(json(&bomb).contains("aliases stand for more than"), "{}", json(&bomb));
    for opening in ["[", "- ", "{a: "] {
        let error = json(&opening.repeat(10_000));
        assert!(error.contains("nested deeper") || error.contains("recursion limit"), "{error}");
    }
    assert!(json("a: &a [*a]").contains("inside the value"));
}

#[test]
fn broken_text_names_the_line() {
    for (text, line) in
        [("a: 1\nb: [1, 2\nc: 3\n", 3), ("a: \"x\n", 2), ("a: 1\n b: 2\n", 2), ("a: {{ .Values.x }}\n", 1)]
    {
        let error = compose(text, 0).unwrap_err();
        assert!(error.position.line.abs_diff(line) <= 1, "{text:?}: {error}");
    }
}
