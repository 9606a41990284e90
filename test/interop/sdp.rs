//! What the tests read off a description.

use std::collections::BTreeSet;

pub struct Section<'a> {
    pub kind: &'a str,
    pub port: &'a str,
    lines: Vec<&'a str>,
}

pub fn sections(text: &str) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for line in text.lines() {
        if let Some(media) = line.strip_prefix("m=") {
            let mut words = media.split(' ');
            let (kind, port) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
            sections.push(Section { kind, port, lines: Vec::new() });
        }
        if let Some(section) = sections.last_mut() {
            section.lines.push(line);
        }
    }
    sections
}

impl<'a> Section<'a> {
    pub fn has(&self, line: &str) -> bool {
        self.lines.contains(&line)
    }

    fn values(&self, prefix: &str) -> impl Iterator<Item = &'a str> {
        self.lines.iter().filter_map(move |line| line.strip_prefix(prefix))
    }

    pub fn setup(&self) -> &'a str {
        self.values("a=setup:").next().unwrap_or("")
    }
}

/// The SSRC under which a description announces this kind of media of this stream.
pub fn ssrc(text: &str, kind: &str, label: &str) -> u32 {
    let msid = format!("msid:{label} ");
    sections(text)
        .iter()
        .filter(|section| section.kind == kind)
        .flat_map(|section| section.values("a=ssrc:"))
        .find_map(|value| {
            let (ssrc, attribute) = value.split_once(' ')?;
            attribute.starts_with(&msid).then(|| ssrc.parse().ok())?
        })
        .unwrap_or_else(|| panic!("no {kind} SSRC of {label} in:\n{text}"))
}

/// What must stay as it is as long as the transport does.
pub fn identity(text: &str) -> BTreeSet<&str> {
    let kept = ["a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:", "a=candidate:"];
    text.lines().filter(|line| kept.iter().any(|prefix| line.starts_with(prefix))).collect()
}

/// UDP ports of the candidates.
pub fn ports(text: &str) -> BTreeSet<u16> {
    text.lines()
        .filter_map(|line| line.strip_prefix("a=candidate:")?.split(' ').nth(5)?.parse().ok())
        .collect()
}

/// The description with a fingerprint that fits no certificate.
pub fn with_wrong_fingerprint(text: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for line in &mut lines {
        if line.starts_with("a=fingerprint:") {
            let last = if line.ends_with('0') { "1" } else { "0" };
            line.replace_range(line.len() - 1.., last);
        }
    }
    lines.join("\r\n") + "\r\n"
}
