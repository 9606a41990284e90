//! Fuzz bodies: each takes any bytes, feeds them to one reader and checks what must hold for
//! whatever comes back. Ordinary functions, so that they compile and run with every build.

use crate::negotiation::configuration::MediaConfiguration;
use crate::negotiation::description::SessionDescription;
use crate::negotiation::ice::IceCandidate;
use crate::negotiation::plan::NegotiatedStream;
use crate::negotiation::session::Negotiation;
use crate::rtp::id::Ssrc;

/// A candidate line, printed and read again.
pub fn candidate_line(data: &[u8]) {
    let line = String::from_utf8_lossy(data);
    let _ = IceCandidate::ufrag_of_line(&line);
    let Some((protocol, candidate)) = IceCandidate::parse_line(&line) else { return };
    let again = IceCandidate::parse_line(&candidate.line(&protocol));
    assert!(again.is_some_and(|(_, again)| again.address == candidate.address));
}

/// Media configuration JSON.
pub fn media_configuration(data: &[u8]) {
    let Ok(value) = serde_json::from_slice(data) else { return };
    let configuration = MediaConfiguration::from_json(&value);
    assert!(configuration.codecs.iter().all(|codec| codec.payload_type.0 < 128));
    let _ = Negotiation::new(&configuration, false, true).create_offer(true);
}

/// SDP text, offered to a connection with a stream in each direction.
pub fn session_description(data: &[u8]) {
    let configuration = MediaConfiguration::default();
    let text = String::from_utf8_lossy(data);
    let Ok(description) = SessionDescription::from_sdp(&text, &configuration) else { return };
    let mut negotiation = Negotiation::new(&configuration, false, false);
    for (key, publisher) in [(1, true), (2, false)] {
        let label = description.sections().first().map_or("", |it| &it.sender_stream_id);
        negotiation.add_stream(NegotiatedStream {
            key,
            id: key.to_string(),
            label: label.to_owned(),
            publisher,
            has_audio: true,
            has_video: true,
            audio_ssrc: Ssrc(1),
            video_ssrc: Ssrc(2),
        });
    }
    let sections = description.sections().len();
    if negotiation.set_remote_description(description).is_err() {
        return;
    }
    let local = negotiation.local_description(None);
    assert_eq!(local.sections().len(), sections);
    let again = SessionDescription::from_sdp(&local.to_sdp(0), &configuration);
    assert!(again.is_ok_and(|again| again.sections().len() == sections));
    negotiation.create_offer(true);
    let offered = negotiation.local_description(None);
    assert!(offered.sections().iter().all(|section| !section.mid.is_empty()));
}

#[cfg(test)]
mod test {
    use super::*;

    type Body = fn(&[u8]);

    #[test]
    fn bodies_hold_for_valid_and_damaged_input() {
        let sdp = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
             m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\n\
             a=fingerprint:sha-256 AA\r\na=msid:l t\r\na=rtpmap:111 opus/48000/2\r\n";
        let json = r#"{"rtpMappings":{"a":{"payloadType":0,"encodingName":"PCMU",
            "mediaType":"audio"}},"extMappings":["urn:x"]}"#;
        let line = "candidate:1 1 udp 7 192.0.2.1 5000 typ srflx raddr 10.0.0.1 rport 9 ufrag u";
        let bodies: [(Body, &str); 3] =
            [(session_description, sdp), (media_configuration, json), (candidate_line, line)];
        for (body, input) in bodies {
            let input = input.as_bytes();
            for at in 0..input.len() {
                body(&input[..at]);
                for byte in [0, b' ', b':', b'9', b'\n', 0xff] {
                    let mut damaged = input.to_vec();
                    damaged[at] = byte;
                    body(&damaged);
                }
            }
            body(input);
        }
    }
}
