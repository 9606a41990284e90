//! From a local description to SDP, in the order of lines that ErizoJS writes (contract CDS-25).
//!
//! Spelt as browsers require where ErizoJS is sloppy: no channel count for video, simulcast as in
//! RFC 8853, related addresses of reflexive candidates, and no section without a format.

use crate::negotiation::codec::Payload;
use crate::negotiation::description::SessionDescription;
use crate::negotiation::direction::{Direction, MediaType};
use crate::negotiation::sdp::text::{Media, Session, attribute, flag, media, session};
use crate::negotiation::section::{DescribedRid, MediaSection, Profile};
use crate::negotiation::setup::DtlsSetup;

const CNAME: &str = "erizo";

pub(super) fn description(description: &SessionDescription, session_version: u64) -> Session {
    let mut out = session(session_version);
    if description.is_ice_lite() {
        out.attributes.push(flag("ice-lite"));
    }
    out.attributes.push(attribute("msid-semantic", " WMS *"));
    let shared = Shared::new(description);
    let mut bundled = String::from("BUNDLE");
    for section in description.sections() {
        let written = section_media(section, description, &shared);
        // A rejected section is in no group (RFC 8843 §7.3.3).
        if written.media_name.port.value != 0 {
            bundled.push(' ');
            bundled.push_str(&section.mid);
        }
        out.media_descriptions.push(written);
    }
    if bundled.len() > "BUNDLE".len() {
        out.attributes.push(attribute("group", &bundled));
    }
    out
}

/// What all sections repeat.
struct Shared {
    candidates: Vec<String>,
    rids: Vec<DescribedRid>,
}

impl Shared {
    fn new(description: &SessionDescription) -> Self {
        let candidates = description.candidates().iter();
        Shared {
            candidates: candidates.map(|it| it.candidate.line(&it.protocol)).collect(),
            rids: in_key_order(description.rids()),
        }
    }
}

fn section_media(
    section: &MediaSection,
    description: &SessionDescription,
    shared: &Shared,
) -> Media {
    let media_type = section.media_type();
    let codecs: Vec<&Payload> = description.codecs(media_type).collect();
    if codecs.is_empty() {
        return rejected(section);
    }
    let fingerprint = description.fingerprint();
    let profile = if fingerprint.is_empty() { Profile::Avpf } else { Profile::Savpf };
    let formats = codecs.iter().map(|codec| codec.payload_type.0.to_string()).collect();
    let port = if section.stopped { 0 } else { 9 };
    let mut out = media(&section.kind, port, profile.text(), formats);
    let mut add = |name: &str, value: &str| out.attributes.push(attribute(name, value));

    write_codecs(&codecs, &mut add);
    for (id, uri) in description.extensions(media_type) {
        add("extmap", &format!("{id} {uri}"));
    }
    let open = section.just_added_in_offer || section.stopped;
    let setup = if open { DtlsSetup::ActPass } else { description.dtls_role() };
    add("setup", setup.word());
    add("mid", &section.mid);
    let sends = !section.ssrc.is_empty();
    let msid = format!("{} {}", section.sender_stream_id, section.mid);
    if sends {
        add("msid", &msid);
    }
    out.attributes.push(flag(section.direction_word()));
    let mut add = |name: &str, value: &str| out.attributes.push(attribute(name, value));
    let credentials = description.ice_credentials(media_type);
    add("ice-ufrag", &credentials.ufrag);
    add("ice-pwd", &credentials.pwd);
    if !fingerprint.is_empty() {
        add("fingerprint", &format!("sha-256 {fingerprint}"));
    }
    for candidate in &shared.candidates {
        add("candidate", candidate);
    }
    out.attributes.push(flag("end-of-candidates"));
    let mut add = |name: &str, value: &str| out.attributes.push(attribute(name, value));
    if sends {
        let ssrc = &section.ssrc;
        add("ssrc", &format!("{ssrc} cname:{CNAME}"));
        add("ssrc", &format!("{ssrc} msid:{msid}"));
        add("ssrc", &format!("{ssrc} mslabel:{}", section.sender_stream_id));
        add("ssrc", &format!("{ssrc} label:{}", section.mid));
    }
    out.attributes.push(flag("rtcp-mux"));
    if media_type == MediaType::Video && !section.stopped {
        write_simulcast(&mut out, description, &shared.rids);
    }
    out
}

fn write_codecs(codecs: &[&Payload], add: &mut impl FnMut(&str, &str)) {
    for codec in codecs {
        let Payload { payload_type, name, clock_rate_hz, channels, .. } = codec;
        let channels = if *channels == 0 { String::new() } else { format!("/{channels}") };
        add("rtpmap", &format!("{} {name}/{clock_rate_hz}{channels}", payload_type.0));
    }
    for codec in codecs.iter().filter(|codec| !codec.parameters.is_empty()) {
        let parameters = codec.parameters.iter().map(|(name, value)| match value.as_str() {
            "" => name.clone(),
            value => format!("{name}={value}"),
        });
        let joined = parameters.collect::<Vec<_>>().join(";");
        add("fmtp", &format!("{} {joined}", codec.payload_type.0));
    }
    add("rtcp", "1 IN IP4 0.0.0.0");
    for codec in codecs {
        for text in &codec.feedback {
            add("rtcp-fb", &format!("{} {text}", codec.payload_type.0));
        }
    }
}

fn write_simulcast(out: &mut Media, description: &SessionDescription, rids: &[DescribedRid]) {
    if !description.x_google_flag().is_empty() {
        out.attributes.push(attribute("x-google-flag", description.x_google_flag()));
    }
    for rid in rids {
        let value = format!("{} {}", rid.id, rid.direction.word());
        out.attributes.push(attribute("rid", &value));
    }
    // One direction word, that of the last (RID-2).
    if let Some(last) = rids.last() {
        let ids: Vec<&str> = rids.iter().map(|rid| rid.id.as_str()).collect();
        let value = format!("{} {}", last.direction.word(), ids.join(";"));
        out.attributes.push(attribute("simulcast", &value));
    }
}

/// A section we have no codec for is rejected with some format, since the m-line needs one
/// (RFC 3264 §6).
fn rejected(section: &MediaSection) -> Media {
    let (protocol, format) = match section.media_type() {
        MediaType::Other => ("UDP/DTLS/SCTP", "webrtc-datachannel"),
        _ => (Profile::Savpf.text(), "0"),
    };
    let mut out = media(&section.kind, 0, protocol, vec![format.to_owned()]);
    out.attributes.push(attribute("mid", &section.mid));
    out.attributes.push(flag(Direction::Inactive.word()));
    out
}

/// The order in which JavaScript enumerates the keys of `getRids()`: whole numbers ascending,
/// then the rest as added; the last direction of an id counts.
fn in_key_order(rids: &[DescribedRid]) -> Vec<DescribedRid> {
    let mut positions = std::collections::HashMap::new();
    let mut unique: Vec<DescribedRid> = Vec::new();
    for rid in rids {
        let position = *positions.entry(rid.id.as_str()).or_insert(unique.len());
        match unique.get_mut(position) {
            Some(known) => known.direction = rid.direction,
            None => unique.push(rid.clone()),
        }
    }
    // A stable sort, so equal keys (all the texts) keep their order.
    unique.sort_by_key(|rid| array_index(&rid.id).map_or((1, 0), |index| (0, index)));
    unique
}

fn array_index(id: &str) -> Option<u32> {
    let number: u32 = id.parse().ok()?;
    (number != u32::MAX && number.to_string() == id).then_some(number)
}
