//! From parsed SDP to a description, call by call as ErizoJS does it (contract FIL rules).

use std::collections::HashMap;

use crate::negotiation::codec::RTX;
use crate::negotiation::configuration::MediaConfiguration;
use crate::negotiation::description::SessionDescription;
use crate::negotiation::direction::{Direction, MediaType};
use crate::negotiation::error::SdpError;
use crate::negotiation::ice::{IceCandidate, IceCredentials};
use crate::negotiation::sdp::text::{Media, Session, value, values};
use crate::negotiation::section::{Profile, RidDirection};
use crate::negotiation::setup::DtlsSetup;
use crate::rtp::id::Ssrc;

pub(super) fn description(
    session: &Session,
    configuration: &MediaConfiguration,
) -> Result<SessionDescription, SdpError> {
    let mut out = SessionDescription::new(configuration);
    out.set_rtcp_mux(true);
    out.set_profile(Profile::Savpf);
    for media in &session.media_descriptions {
        match media_type(media) {
            MediaType::Audio => out.set_audio_direction(direction(media)),
            _ => out.set_video_direction(direction(media)),
        }
    }
    out.set_bundle(true);
    let attributes = &session.attributes;
    // RFC 8445 §6.1.1 makes the role depend on it.
    out.set_ice_lite(value(attributes, "ice-lite").is_some());
    security(attributes, &mut out);
    for media in &session.media_descriptions {
        section(media, &mut out);
    }
    if let Some(credentials) = credentials(attributes) {
        out.set_ice_credentials(credentials, MediaType::Other);
    }
    streams(session, &mut out);
    for media in &session.media_descriptions {
        let label = value(&media.attributes, "msid").and_then(|it| it.split(' ').next());
        out.add_section(
            label.unwrap_or_default().to_owned(),
            String::new(),
            mid(media),
            direction(media).word(),
            media.media_name.media.clone(),
            String::new(),
            media.media_name.port.value == 0,
        );
    }
    out.agree();
    Ok(out)
}

type Attributes = [rtc::sdp::description::common::Attribute];

fn section(media: &Media, out: &mut SessionDescription) {
    let attributes = &media.attributes;
    let media_type = media_type(media);
    security(attributes, out);
    let protocol = media.media_name.protos.join("/");
    let encrypted = protocol == Profile::Savpf.text();
    out.set_profile(if encrypted { Profile::Savpf } else { Profile::Avpf });
    out.add_bundle_tag(mid(media), media_type);
    for line in values(attributes, "candidate") {
        if let Some((protocol, candidate)) = IceCandidate::parse_line(line) {
            out.add_candidate(media_type, &protocol, candidate);
        }
    }
    if let Some(credentials) = credentials(attributes) {
        // A section that is neither audio nor video must not overwrite both pairs.
        if media_type != MediaType::Other {
            out.set_ice_credentials(credentials, media_type);
        }
    }
    for rid in values(attributes, "rid") {
        let mut words = rid.split_ascii_whitespace();
        if let (Some(id), Some(direction)) = (words.next(), words.next()) {
            out.add_rid(id.to_owned(), RidDirection::from_word(direction));
        }
    }
    codecs(attributes, media_type, out);
    for bandwidth in &media.bandwidth {
        if bandwidth.bandwidth_type == "AS" && bandwidth.bandwidth > 0 {
            out.set_video_bandwidth(u32::try_from(bandwidth.bandwidth).unwrap_or(u32::MAX));
        }
    }
    for extension in values(attributes, "extmap") {
        let mut words = extension.split_ascii_whitespace();
        let id = words.next().and_then(|id| id.split('/').next()?.parse().ok());
        if let (Some(id), Some(uri)) = (id, words.next()) {
            out.add_extension(id, uri.to_owned(), media_type);
        }
    }
    if let Some(flag) = value(attributes, "x-google-flag").filter(|flag| !flag.is_empty()) {
        out.set_x_google_flag(flag.to_owned());
    }
}

/// Retransmission payload types are folded into the codec they repeat and never listed (FIL-2).
fn codecs(attributes: &Attributes, media_type: MediaType, out: &mut SessionDescription) {
    let parameters = by_payload_type(attributes, "fmtp");
    let feedback = by_payload_type(attributes, "rtcp-fb");
    let for_all = feedback.get("*").map(Vec::as_slice).unwrap_or_default();
    for line in values(attributes, "rtpmap") {
        let Some((text, encoding)) = line.split_once(' ') else { continue };
        let Ok(number) = text.parse::<u32>() else { continue };
        let mut parts = encoding.trim().split('/');
        let name = parts.next().unwrap_or_default();
        if name.eq_ignore_ascii_case(RTX) {
            continue;
        }
        let clock_rate_hz = parts.next().and_then(|rate| rate.parse().ok()).unwrap_or(0);
        out.add_payload_type(number, name.to_owned(), clock_rate_hz, media_type);
        for config in parameters.get(text).into_iter().flatten() {
            for parameter in config.split(';') {
                let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
                out.add_parameter(number, name.trim().to_owned(), value.trim().to_owned());
            }
        }
        for text in feedback.get(text).into_iter().flatten().chain(for_all) {
            out.add_feedback(number, (*text).to_owned());
        }
    }
}

/// The lines `name:<payload type> <rest>`, grouped so that looking them up stays linear.
fn by_payload_type<'a>(
    attributes: &'a Attributes,
    name: &'a str,
) -> HashMap<&'a str, Vec<&'a str>> {
    let mut grouped: HashMap<&str, Vec<&str>> = HashMap::new();
    for line in values(attributes, name) {
        if let Some((payload_type, rest)) = line.split_once(' ') {
            grouped.entry(payload_type).or_default().push(rest.trim());
        }
    }
    grouped
}

/// What one browser MediaStream sends, over all sections (FIL-5).
#[derive(Default)]
struct Stream {
    audio: Vec<Ssrc>,
    video: Vec<Ssrc>,
    /// The last `SIM` group; it stands for the whole list (FIL-1).
    simulcast: Option<Vec<Ssrc>>,
}

fn streams(session: &Session, out: &mut SessionDescription) {
    let mut labels: Vec<&str> = Vec::new();
    let mut streams: HashMap<&str, Stream> = HashMap::new();
    for media in &session.media_descriptions {
        collect_streams(media, &mut labels, &mut streams);
    }
    for label in labels {
        let Some(stream) = streams.remove(label) else { continue };
        if let Some(&ssrc) = stream.audio.first() {
            out.set_audio_ssrc(label.to_owned(), ssrc);
        }
        // Without SSRCs too: it is how a simulcast publisher is found (NEG-31).
        out.set_video_ssrcs(label.to_owned(), stream.simulcast.unwrap_or(stream.video));
    }
}

fn collect_streams<'a>(
    media: &'a Media,
    labels: &mut Vec<&'a str>,
    streams: &mut HashMap<&'a str, Stream>,
) {
    let mut enter = |label: &'a str| {
        streams.entry(label).or_insert_with(|| {
            labels.push(label);
            Stream::default()
        });
    };
    let attributes = &media.attributes;
    let section_label = value(attributes, "msid").and_then(|it| it.split(' ').next());
    let mut order: Vec<Ssrc> = Vec::new();
    let mut owner: HashMap<Ssrc, Option<&str>> = HashMap::new();
    for line in values(attributes, "ssrc") {
        let (number, attribute) = line.split_once(' ').unwrap_or((line, ""));
        let Ok(ssrc) = number.parse().map(Ssrc) else { continue };
        let entry = owner.entry(ssrc).or_insert_with(|| {
            order.push(ssrc);
            None
        });
        // RFC 5576 §4.1 with the msid attribute that browsers write.
        if let Some(msid) = attribute.trim().strip_prefix("msid:") {
            *entry = msid.split(' ').next().filter(|label| !label.is_empty());
            entry.iter().copied().for_each(&mut enter);
        }
    }
    section_label.into_iter().for_each(&mut enter);

    let media_type = media_type(media);
    for ssrc in order {
        let label = owner.get(&ssrc).copied().flatten().or(section_label);
        let Some(stream) = label.and_then(|label| streams.get_mut(label)) else { continue };
        match media_type {
            MediaType::Audio => stream.audio.push(ssrc),
            MediaType::Video => stream.video.push(ssrc),
            MediaType::Other => {}
        }
    }
    for group in values(attributes, "ssrc-group") {
        let mut words = group.split_ascii_whitespace();
        if !words.next().is_some_and(|semantics| semantics.eq_ignore_ascii_case("SIM")) {
            continue;
        }
        let ssrcs: Vec<Ssrc> = words.filter_map(|word| word.parse().ok().map(Ssrc)).collect();
        let first = ssrcs.first().and_then(|ssrc| owner.get(ssrc).copied().flatten());
        let label = first.or(section_label);
        if let Some(stream) = label.and_then(|label| streams.get_mut(label)) {
            stream.simulcast = Some(ssrcs);
        }
    }
}

/// Fingerprint without its algorithm word, and role; what is absent stays as it was.
fn security(attributes: &Attributes, out: &mut SessionDescription) {
    let fingerprint = value(attributes, "fingerprint").and_then(|it| it.split_once(' '));
    if let Some((_algorithm, fingerprint)) = fingerprint {
        out.set_fingerprint(fingerprint.trim().to_owned());
    }
    if let Some(role) = value(attributes, "setup").and_then(DtlsSetup::from_word) {
        out.set_dtls_role(role);
    }
}

fn credentials(attributes: &Attributes) -> Option<IceCredentials> {
    Some(IceCredentials {
        ufrag: value(attributes, "ice-ufrag")?.to_owned(),
        pwd: value(attributes, "ice-pwd")?.to_owned(),
    })
}

fn mid(media: &Media) -> String {
    value(&media.attributes, "mid").unwrap_or_default().to_owned()
}

fn media_type(media: &Media) -> MediaType {
    MediaType::from_word(&media.media_name.media)
}

fn direction(media: &Media) -> Direction {
    let words = media.attributes.iter().filter(|attribute| attribute.value.is_none());
    words
        .filter_map(|attribute| Direction::from_word(&attribute.key))
        .next_back()
        .unwrap_or_default()
}
