//! The house rules that a compiler does not check, read off the sources (docs/architecture.md).
//!
//! Which layer may name which other, where clocks, sockets, threads, locks and `unsafe` may occur,
//! how long a module may get, and that no file is a grab-bag. The scanner below knows just enough
//! Rust for that: it blanks comments and literals, finds test items, and reads paths.

use std::fs;
use std::path::{Path, PathBuf};

/// Layers that may import only from later rows; those of one row do not know each other.
const ROWS: [&[&str]; 7] = [
    &["node"],
    &["runtime"],
    &["connection"],
    &["transport", "media", "external"],
    &["negotiation", "bandwidth"],
    &["stats"],
    &["rtp"],
];

/// The layers that may know clocks, sockets, threads and unsafe code.
const OUTER: [&str; 2] = ["node", "runtime"];

/// Reading a clock; allowed in tests, which need some instant to start from.
const CLOCKS: [&[&str]; 3] =
    [&["Instant", "::", "now"], &["SystemTime", "::", "now"], &["Utc", "::", "now"]];

/// Names that only the outer layers may use, in tests too.
const OUTER_NAMES: [&str; 10] = [
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "UnixStream",
    "UnixListener",
    "UnixDatagram",
    "Mutex",
    "RwLock",
    "tokio",
    "libc",
];

const MAX_LINES: usize = 500;

const GRAB_BAGS: [&str; 10] =
    ["util", "utils", "common", "helper", "helpers", "misc", "tools", "stuff", "shared", "base"];

#[test]
fn sources_keep_the_house_rules() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut faults = Vec::new();
    let mut files = 0;
    for path in rust_files(&src) {
        let text = fs::read_to_string(&path).expect("a source file is readable text");
        let relative = path.strip_prefix(&src).expect("found below src");
        files += 1;
        faults.extend(check(&SourceFile::new(relative, &text)));
    }
    assert!(files > 10, "found only {files} files below {}", src.display());
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("src is readable") {
        let path = entry.expect("src is readable").path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

// ---- rules ----

fn check(file: &SourceFile) -> Vec<String> {
    let mut faults = check_imports(file);
    faults.extend(check_purity(file));
    let lines = file.lines_outside_tests();
    if lines > MAX_LINES {
        faults.push(format!("{}: {lines} lines outside tests; split it", file.name()));
    }
    for part in &file.module {
        if GRAB_BAGS.contains(&part.as_str()) {
            faults.push(format!("{}: name what it does, not `{part}`", file.name()));
        }
    }
    faults
}

fn check_imports(file: &SourceFile) -> Vec<String> {
    let Some(layer) = file.module.first() else { return Vec::new() };
    let Some(row) = row_of(layer) else {
        return vec![format!("{}: `{layer}` is no layer; add it to ROWS", file.name())];
    };
    let mut faults = Vec::new();
    for (target, line) in file.imported_layers() {
        let place = format!("{}:{line}", file.name());
        match row_of(&target) {
            _ if target == *layer => {}
            None => faults.push(format!("{place}: `crate::{target}` is no layer")),
            Some(other) if other > row => {}
            Some(other) if other == row => {
                faults.push(format!("{place}: sideways import, {layer} -> {target}"));
            }
            Some(_) => faults.push(format!("{place}: upward import, {layer} -> {target}")),
        }
    }
    faults
}

fn row_of(layer: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&layer))
}

fn check_purity(file: &SourceFile) -> Vec<String> {
    if file.module.first().is_some_and(|layer| OUTER.contains(&layer.as_str())) {
        return Vec::new();
    }
    let mut faults = Vec::new();
    let mut fault = |token: &Token, what: &str| {
        faults.push(format!("{}:{}: {what} outside {OUTER:?}", file.name(), token.line));
    };
    for (index, token) in file.tokens.iter().enumerate() {
        let rest = &file.tokens[index..];
        if token.text == "unsafe" {
            fault(token, "`unsafe`");
        }
        if OUTER_NAMES.contains(&token.text.as_str()) {
            fault(token, &format!("`{}`", token.text));
        }
        if starts_with(rest, &["std", "::", "thread"]) || starts_with(rest, &["thread", "::"]) {
            fault(token, "threads");
        }
        if !token.in_test && CLOCKS.iter().any(|clock| starts_with(rest, clock)) {
            fault(token, "reading a clock");
        }
    }
    faults
}

// ---- a source file ----

struct SourceFile {
    /// Below src: `media/chain.rs`.
    path: PathBuf,
    /// As Rust sees it: `["media", "chain"]`; empty for lib.rs.
    module: Vec<String>,
    tokens: Vec<Token>,
    /// First and last lines of the test items.
    tests: Vec<(usize, usize)>,
    lines: usize,
}

/// A word, `::`, or any other single character.
#[derive(Clone, PartialEq, Debug)]
struct Token {
    text: String,
    line: usize,
    in_test: bool,
}

impl SourceFile {
    fn new(path: &Path, text: &str) -> SourceFile {
        let mut module: Vec<String> = path
            .with_extension("")
            .components()
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        if module.last().is_some_and(|last| last == "mod" || last == "lib") {
            module.pop();
        }
        let mut tokens = tokens(&blank_comments_and_literals(text));
        let tests = mark_tests(&mut tokens);
        SourceFile { path: path.to_owned(), module, tokens, tests, lines: text.lines().count() }
    }

    fn name(&self) -> String {
        format!("src/{}", self.path.display())
    }

    fn lines_outside_tests(&self) -> usize {
        let in_tests: usize = self.tests.iter().map(|(first, last)| last - first + 1).sum();
        self.lines - in_tests
    }

    /// First segments of all paths that start at the crate's root, with their lines.
    fn imported_layers(&self) -> Vec<(String, usize)> {
        let mut found = Vec::new();
        for (index, token) in self.tokens.iter().enumerate() {
            let rest = &self.tokens[index..];
            let inside_path = index > 0 && self.tokens[index - 1].text == "::";
            if inside_path {
                continue;
            }
            let after_root = if token.text == "crate" {
                1
            } else {
                // `super` in src/a/b.rs is src/a: as many as the module is deep reach the root,
                // and one more from its inline test module.
                let supers = count_supers(rest);
                if supers == 0 || supers < self.module.len() + usize::from(token.in_test) {
                    continue;
                }
                supers * 2 - 1
            };
            if rest.get(after_root).is_some_and(|next| next.text == "::") {
                first_segments(&rest[after_root + 1..], &mut found);
            }
        }
        found
    }
}

fn starts_with(tokens: &[Token], words: &[&str]) -> bool {
    tokens.len() >= words.len() && tokens.iter().zip(words).all(|(token, word)| token.text == *word)
}

/// How many `super` a path starts with.
fn count_supers(path: &[Token]) -> usize {
    path.chunks(2)
        .take_while(|pair| {
            pair[0].text == "super" && pair.get(1).is_some_and(|next| next.text == "::")
        })
        .count()
}

/// The names right after `crate::`: one word, or each member of a group.
fn first_segments(path: &[Token], found: &mut Vec<(String, usize)>) {
    let Some(first) = path.first() else { return };
    if first.text != "{" {
        found.push((first.text.clone(), first.line));
        return;
    }
    let mut depth = 0;
    let mut at_start = false;
    for token in path {
        match token.text.as_str() {
            "{" => {
                depth += 1;
                at_start = depth == 1;
            }
            "}" => {
                depth -= 1;
                if depth == 0 {
                    return;
                }
            }
            "," => at_start = depth == 1,
            _ if at_start => {
                found.push((token.text.clone(), token.line));
                at_start = false;
            }
            _ => {}
        }
    }
}

// ---- scanning ----

/// Marks the items under `#[cfg(test)]` and `#[test]`, up to their closing brace or semicolon.
fn mark_tests(tokens: &mut [Token]) -> Vec<(usize, usize)> {
    let mut spans = Vec::new();
    let mut index = 0;
    while index < tokens.len() {
        let rest = &tokens[index..];
        let starts = starts_with(rest, &["#", "[", "cfg", "(", "test", ")", "]"])
            || starts_with(rest, &["#", "[", "test", "]"]);
        if !starts {
            index += 1;
            continue;
        }
        let end = index + item_length(rest);
        for token in &mut tokens[index..end] {
            token.in_test = true;
        }
        spans.push((tokens[index].line, tokens[end - 1].line));
        index = end;
    }
    spans
}

fn item_length(tokens: &[Token]) -> usize {
    let (mut braces, mut others) = (0, 0);
    for (index, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "{" => braces += 1,
            "}" => braces -= 1,
            "(" | "[" => others += 1,
            ")" | "]" => others -= 1,
            _ => {}
        }
        let closed = token.text == "}" && others == 0;
        if braces == 0 && (closed || (token.text == ";" && others == 0)) {
            return index + 1;
        }
    }
    tokens.len()
}

fn tokens(code: &str) -> Vec<Token> {
    let mut found = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let length = if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            let (text, after) = rest.split_at(length);
            found.push(Token { text: text.to_owned(), line: number + 1, in_test: false });
            rest = after.trim_start();
        }
    }
    found
}

/// Replaces comments and the content of literals by spaces; lines stay where they are.
fn blank_comments_and_literals(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after_word = code.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let blank = comment_length(rest)
            .or_else(|| string_length(rest, after_word))
            .or_else(|| char_literal_length(rest));
        let length = blank.unwrap_or(first.len_utf8());
        let (piece, after) = rest.split_at(length);
        match blank {
            None => code.push_str(piece),
            Some(_) => code.extend(piece.chars().map(|c| if c == '\n' { '\n' } else { ' ' })),
        }
        rest = after;
    }
    code
}

fn comment_length(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if !text.starts_with("/*") {
        return None;
    }
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    Some(text.len())
}

/// Of `"…"`, `r"…"`, `r#"…"#` and their `b` and `c` forms.
fn string_length(text: &str, after_word: bool) -> Option<usize> {
    let prefix = if after_word { 0 } else { text.find(['"', '#', 'r']).filter(|&at| at <= 1)? };
    let prefix = match &text[..prefix] {
        "" | "b" | "c" => prefix,
        _ => return None,
    };
    let body = &text[prefix..];
    if let Some(raw) = body.strip_prefix('r').filter(|_| !after_word) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let content = raw[hashes..].strip_prefix('"')?;
        let closing = format!("\"{}", "#".repeat(hashes));
        let end = content.find(&closing).map_or(content.len(), |at| at + closing.len());
        return Some(prefix + 1 + hashes + 1 + end);
    }
    let content = body.strip_prefix('"')?;
    let mut escaped = false;
    for (at, c) in content.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(prefix + 1 + at + 1),
            _ => {}
        }
    }
    Some(text.len())
}

/// Of `'x'` and `'\n'`; a lifetime is none.
fn char_literal_length(text: &str) -> Option<usize> {
    let content = text.strip_prefix('\'')?;
    let first = content.chars().next()?;
    if first == '\\' {
        let after_escaped = 1 + content[1..].chars().next()?.len_utf8();
        return content[after_escaped..].find('\'').map(|at| 1 + after_escaped + at + 1);
    }
    content[first.len_utf8()..].starts_with('\'').then(|| 1 + first.len_utf8() + 1)
}

mod test {
    use super::*;

    fn faults(path: &str, text: &str) -> Vec<String> {
        check(&SourceFile::new(Path::new(path), text))
    }

    /// The one fault of a file that should have exactly one.
    fn fault(path: &str, text: &str) -> String {
        let found = faults(path, text);
        assert_eq!(found.len(), 1, "{path}: {text}: {found:?}");
        found.into_iter().next().expect("one fault")
    }

    #[test]
    fn downward_imports_pass() {
        for text in [
            "use crate::rtp::id::Ssrc;",
            "use crate::{negotiation::ice::IceCandidate, stats, media::chain::{Chain, Slot}};",
            "fn f() { crate::bandwidth::estimate() }",
            "pub(crate) mod x; pub(in crate::media) fn f() {}",
            "use super::chain; use super::super::rtp::id;",
            "#[cfg(test)] mod test { use super::super::chain; use super::*; }",
            "use std::collections::HashMap; use rtc::transport::x; use other::crate_name;",
        ] {
            assert_eq!(faults("media/stream.rs", text), [""; 0], "{text}");
        }
    }

    #[test]
    fn upward_imports_fail_in_every_spelling() {
        for text in [
            "use crate::connection::config::ConnectionId;",
            "use crate::{rtp::id, connection::config};",
            "use crate::{\n    rtp::{id, packet},\n    connection,\n};",
            "fn f(x: &crate::connection::Connection) {}",
            "use super::super::connection::config;",
            "use super::super::{rtp, connection};",
            "#[cfg(test)] mod test { use crate::connection::config; }",
            "#[cfg(test)] mod test { use super::super::super::connection::config; }",
        ] {
            assert!(fault("media/stream.rs", text).contains("upward import, media -> connection"));
        }
        assert!(fault("rtp/mod.rs", "use super::stats;").contains("rtp -> stats"));
    }

    #[test]
    fn neighbours_do_not_import_each_other() {
        let text = "\n\nuse crate::transport::Transport;";
        assert_eq!(
            fault("media/stream.rs", text),
            "src/media/stream.rs:3: sideways import, media -> transport"
        );
        assert!(fault("bandwidth/mod.rs", "use crate::negotiation::x;").contains("sideways"));
    }

    #[test]
    fn unknown_layers_fail() {
        assert!(fault("helpful/mod.rs", "").contains("`helpful` is no layer"));
        assert!(fault("media/mod.rs", "use crate::Something;").contains("is no layer"));
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        for text in [
            "// use crate::node::x;\n/* unsafe /* crate::node::x */ unsafe */",
            "const A: &str = \"crate::node::x \\\" unsafe\";",
            "const A: &str = r#\"unsafe \" crate::node::x\"#; const B: &[u8] = b\"unsafe\";",
            "const A: char = '\"'; const B: char = '\\''; fn f<'a>(x: &'a str) {} // unsafe \"",
            "const A: char = '\\u{1F600}'; const B: u8 = b'\"'; const C: &str = \"unsafe\";",
            "let r#type = 1; let br = 2; let r = \"unsafe\";",
        ] {
            assert_eq!(faults("rtp/packet.rs", text), [""; 0], "{text}");
        }
        let text = "const A: char = '\"'; unsafe { f() } const B: char = '\"';";
        assert!(fault("rtp/packet.rs", text).contains("`unsafe`"));
        assert!(fault("rtp/packet.rs", "/// for\"\nunsafe {}").contains(":2: `unsafe`"));
    }

    #[test]
    fn clocks_sockets_threads_locks_and_unsafe_belong_to_the_outer_layers() {
        for text in [
            "fn f() { let now = Instant::now(); }",
            "fn f() { let now = std::time::SystemTime::now(); }",
            "use std::net::UdpSocket;",
            "use tokio::net::x;",
            "use std::sync::{Arc, Mutex};",
            "fn f() { thread::sleep(d) }",
            "fn f() { unsafe { g() } }",
            "#[cfg(test)] mod test { fn f() { unsafe { g() } } }",
        ] {
            fault("transport/mod.rs", text);
            assert_eq!(faults("runtime/worker.rs", text), [""; 0], "{text}");
            assert_eq!(faults("node/error.rs", text), [""; 0], "{text}");
        }
        assert_eq!(
            faults("rtp/mod.rs", "use std::net::SocketAddr; use std::time::Instant;"),
            [""; 0]
        );
    }

    #[test]
    fn tests_may_read_the_clock_but_the_code_after_them_may_not() {
        let test = "#[cfg(test)]\nmod test { #[test] fn f() { let n = Instant::now(); } }\n";
        assert_eq!(faults("rtp/mod.rs", test), [""; 0]);
        let after = format!("{test}fn f() {{ Instant::now(); }}");
        assert!(fault("rtp/mod.rs", &after).contains(":3: reading a clock"));
        let import = "#[cfg(test)]\nuse x::{a, b};\nfn f() { Instant::now(); }";
        assert!(fault("rtp/mod.rs", import).contains(":3: reading a clock"));
        let array = "#[cfg(test)]\nconst A: [u8; 2] = [1; 2];\nfn f() { Instant::now(); }";
        assert!(fault("rtp/mod.rs", array).contains(":3: reading a clock"));
    }

    #[test]
    fn long_modules_fail_but_long_tests_do_not() {
        let code = "fn f() {}\n".repeat(MAX_LINES);
        let tests = format!("#[cfg(test)]\nmod test {{\n{}}}\n", "    // why\n\n".repeat(400));
        assert_eq!(faults("rtp/mod.rs", &format!("{code}{tests}")), [""; 0]);
        assert_eq!(faults("rtp/mod.rs", &format!("{tests}{code}")), [""; 0]);
        let long = fault("rtp/mod.rs", &format!("{code}fn g() {{}}\n{tests}"));
        assert_eq!(long, "src/rtp/mod.rs: 501 lines outside tests; split it");
    }

    #[test]
    fn grab_bags_fail() {
        assert!(fault("media/utils.rs", "").contains("`utils`"));
        assert!(fault("media/common/mod.rs", "").contains("`common`"));
        assert_eq!(faults("media/sequence.rs", ""), [""; 0]);
    }
}
