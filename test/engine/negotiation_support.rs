//! A connection at negotiation level and a browser's SDP, as the contract's fixtures describe
//! them (negotiation.md section 6.2).

use erizo::negotiation::configuration::MediaConfiguration;
use erizo::negotiation::description::SessionDescription;
use erizo::negotiation::error::NegotiationError;
use erizo::negotiation::ice::{CandidateType, IceCandidate, IceCredentials};
use erizo::negotiation::session::{
    LocalTransport, NegotiatedStream, Negotiation, OfferPlan, RemotePlan,
};
use erizo::rtp::id::Ssrc;
use serde_json::json;

/// One of the stock configurations, by the name of its video codec (contract MCF-3).
pub fn configuration(video: &str) -> MediaConfiguration {
    let feedback = ["ccm fir", "nack", "nack pli", "goog-remb"];
    let with_transport_cc = [&feedback[..], &["transport-cc"]].concat();
    let video = match video {
        "VP8" => json!({ "payloadType": 100, "encodingName": "VP8", "clockRate": 90000,
            "channels": 1, "mediaType": "video", "feedbackTypes": with_transport_cc }),
        "VP9" => json!({ "payloadType": 100, "encodingName": "VP9", "clockRate": 90000,
            "channels": 1, "mediaType": "video", "feedbackTypes": feedback }),
        _ => json!({ "payloadType": 101, "encodingName": "H264", "clockRate": 90000,
            "channels": 1, "mediaType": "video", "feedbackTypes": feedback,
            "formatParameters": { "profile-level-id": "42e01f",
                "level-asymmetry-allowed": "1", "packetization-mode": "1" } }),
    };
    let opus = json!({ "payloadType": 111, "encodingName": "opus", "clockRate": 48000,
        "channels": 2, "mediaType": "audio" });
    MediaConfiguration::from_json(&json!({
        "rtpMappings": { "vp8": video, "opus": opus },
        "extMappings": AUDIO_EXTENSIONS[..2].iter().chain(&VIDEO_EXTENSIONS[..5])
            .chain(&AUDIO_EXTENSIONS[3..5]).map(|(_, uri)| *uri).collect::<Vec<_>>(),
    }))
}

pub const TRANSPORT_CC: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

const AUDIO_EXTENSIONS: [(u32, &str); 6] = [
    (1, "urn:ietf:params:rtp-hdrext:ssrc-audio-level"),
    (2, "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"),
    (3, TRANSPORT_CC),
    (4, "urn:ietf:params:rtp-hdrext:sdes:mid"),
    (5, "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"),
    (6, "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"),
];

const VIDEO_EXTENSIONS: [(u32, &str); 11] = [
    (1, "urn:ietf:params:rtp-hdrext:toffset"),
    (2, "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"),
    (3, "urn:3gpp:video-orientation"),
    (4, TRANSPORT_CC),
    (5, "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"),
    (6, "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type"),
    (7, "http://www.webrtc.org/experiments/rtp-hdrext/video-timing"),
    (8, "http://www.webrtc.org/experiments/rtp-hdrext/color-space"),
    (9, "urn:ietf:params:rtp-hdrext:sdes:mid"),
    (10, "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"),
    (11, "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"),
];

const VIDEO_CODECS: [(u8, &str, &str); 9] = [
    (96, "VP8", ""),
    (98, "VP9", "profile-id=0"),
    (100, "VP9", "profile-id=2"),
    (102, "H264", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f"),
    (127, "H264", "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f"),
    (125, "H264", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"),
    (108, "H264", "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f"),
    (124, "H264", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d0032"),
    (123, "H264", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640032"),
];

/// A remote section.
#[derive(Clone)]
pub struct Remote {
    pub mid: String,
    pub kind: &'static str,
    pub label: String,
    pub direction: &'static str,
    pub setup: &'static str,
    pub ssrcs: Vec<u32>,
    pub port: u16,
    pub protocol: &'static str,
    pub fingerprint: bool,
    pub extra: &'static str,
}

pub fn remote(mid: &str, kind: &'static str, label: &str, direction: &'static str) -> Remote {
    Remote {
        mid: mid.to_owned(),
        kind,
        label: label.to_owned(),
        direction,
        setup: "actpass",
        ssrcs: Vec::new(),
        port: 9,
        protocol: "UDP/TLS/RTP/SAVPF",
        fingerprint: true,
        extra: "",
    }
}

/// Audio and video of one label on two mids.
pub fn pair(mids: [u32; 2], label: &str, direction: &'static str) -> Vec<Remote> {
    let [audio, video] = mids.map(|mid| mid.to_string());
    vec![remote(&audio, "audio", label, direction), remote(&video, "video", label, direction)]
}

/// `AV(direction)` of the contract: label `stream1`, with SSRCs.
pub fn av(direction: &'static str) -> Vec<Remote> {
    let mut sections = pair([0, 1], "stream1", direction);
    sections[0].ssrcs = vec![0];
    sections[1].ssrcs = vec![1111, 1112];
    sections
}

pub fn sdp(sections: &[Remote]) -> String {
    let mids: Vec<&str> = sections.iter().map(|section| section.mid.as_str()).collect();
    let mut text = format!(
        "v=0\r\no=- 2288640127182668253 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
         a=group:BUNDLE {}\r\na=msid-semantic: WMS\r\n",
        mids.join(" ")
    );
    sections.iter().for_each(|section| write_section(section, &mut text));
    text
}

fn write_section(section: &Remote, text: &mut String) {
    let Remote { mid, kind, label, direction, setup, ssrcs, port, protocol, extra, .. } = section;
    let mut line = |line: String| {
        text.push_str(&line);
        text.push_str("\r\n");
    };
    let audio = *kind == "audio";
    line(match *kind {
        "audio" => format!("m=audio {port} {protocol} 111 103 9 0 8 126"),
        "video" => format!("m=video {port} {protocol} 96 97 98 100 102 127 125 108 124 123"),
        _ => format!("m={kind} {port} {protocol} webrtc-datachannel"),
    });
    line("c=IN IP4 0.0.0.0".to_owned());
    line("a=rtcp:9 IN IP4 0.0.0.0".to_owned());
    line("a=ice-ufrag:nDB3".to_owned());
    line("a=ice-pwd:tfQdK4j3DmPDkQ1FqrhmpfIc".to_owned());
    if section.fingerprint {
        line(format!("a=fingerprint:sha-256 {}", if audio { "5D:CA" } else { "DA:76" }));
    }
    line(format!("a=setup:{setup}"));
    line(format!("a=mid:{mid}"));
    let extensions = if audio { &AUDIO_EXTENSIONS[..] } else { &VIDEO_EXTENSIONS[..] };
    for (id, uri) in extensions {
        line(format!("a=extmap:{id} {uri}"));
    }
    line(format!("a={direction}"));
    if !label.is_empty() {
        line(format!("a=msid:{label} {label}_{kind}"));
    }
    line("a=rtcp-mux".to_owned());
    if audio {
        line("a=rtpmap:111 opus/48000/2".to_owned());
        line("a=rtcp-fb:111 transport-cc".to_owned());
        line("a=fmtp:111 minptime=10;useinbandfec=1".to_owned());
        line("a=rtpmap:103 ISAC/16000".to_owned());
        line("a=rtpmap:126 telephone-event/8000".to_owned());
    } else if *kind == "video" {
        for (payload_type, name, parameters) in VIDEO_CODECS {
            line(format!("a=rtpmap:{payload_type} {name}/90000"));
            for text in ["goog-remb", "transport-cc", "ccm fir", "nack", "nack pli"] {
                line(format!("a=rtcp-fb:{payload_type} {text}"));
            }
            if !parameters.is_empty() {
                line(format!("a=fmtp:{payload_type} {parameters}"));
            }
        }
        line("a=rtpmap:97 rtx/90000".to_owned());
        line("a=fmtp:97 apt=96".to_owned());
    }
    if let [first, second] = ssrcs[..] {
        line(format!("a=ssrc-group:FID {first} {second}"));
    }
    for ssrc in ssrcs {
        line(format!("a=ssrc:{ssrc} cname:{label}"));
        line(format!("a=ssrc:{ssrc} msid:{label} {label}_{kind}"));
    }
    extra.lines().for_each(|extra| line(extra.to_owned()));
}

pub fn describe(sections: &[Remote]) -> SessionDescription {
    read(&sdp(sections))
}

pub fn read(text: &str) -> SessionDescription {
    SessionDescription::from_sdp(text, &configuration("VP8")).expect("the SDP of a browser")
}

/// A connection without network, and the checks every description of it must pass.
pub struct Connection {
    pub negotiation: Negotiation,
    encrypted: bool,
    next_key: u64,
    pub version: u64,
}

impl Connection {
    /// The contract's fixture is built with `encryptTransport` false.
    pub fn new() -> Self {
        Connection::with(configuration("VP8"), false)
    }

    pub fn with(configuration: MediaConfiguration, encrypted: bool) -> Self {
        let negotiation = Negotiation::new(&configuration, false, encrypted);
        Connection { negotiation, encrypted, next_key: 1, version: 0 }
    }

    pub fn publish(&mut self, id: &str, label: &str, kinds: &str) -> u64 {
        self.add(id, label, kinds, true)
    }

    pub fn subscribe(&mut self, id: &str, label: &str, kinds: &str) -> u64 {
        self.add(id, label, kinds, false)
    }

    fn add(&mut self, id: &str, label: &str, kinds: &str, publisher: bool) -> u64 {
        let key = self.next_key;
        self.next_key += 1;
        self.negotiation.add_stream(NegotiatedStream {
            key,
            id: id.to_owned(),
            label: label.to_owned(),
            publisher,
            has_audio: kinds.contains('a'),
            has_video: kinds.contains('v'),
            audio_ssrc: Ssrc(key as u32 * 1000),
            video_ssrc: Ssrc(key as u32 * 1000 + 1),
        });
        key
    }

    pub fn remove(&mut self, id: &str) {
        assert!(self.negotiation.remove_stream(id).is_some(), "no stream {id}");
    }

    /// `createOffer` and `getLocalDescription`, as one line per section.
    pub fn offer(&mut self) -> Vec<String> {
        self.create_offer();
        self.report()
    }

    pub fn create_offer(&mut self) -> OfferPlan {
        self.negotiation.create_offer(true)
    }

    pub fn set_remote(&mut self, sections: &[Remote]) -> RemotePlan {
        self.try_set_remote(describe(sections)).expect("accepted")
    }

    pub fn try_set_remote(
        &mut self,
        description: SessionDescription,
    ) -> Result<RemotePlan, NegotiationError> {
        self.negotiation.set_remote_description(description)
    }

    /// `setRemoteDescription` of an offer and `getLocalDescription`.
    pub fn answer(&mut self, sections: &[Remote]) -> Vec<String> {
        self.set_remote(sections);
        self.report()
    }

    pub fn local(&mut self) -> SessionDescription {
        let transport = LocalTransport {
            credentials: IceCredentials { ufrag: "Locl".into(), pwd: "p".repeat(22) },
            fingerprint: self.encrypted.then(|| "AA:BB".to_owned()),
            candidates: vec![host_candidate()],
        };
        let description = self.negotiation.local_description(Some(transport));
        check(&description);
        description
    }

    pub fn report(&mut self) -> Vec<String> {
        let description = self.local();
        rows(&description)
    }
}

pub fn host_candidate() -> IceCandidate {
    IceCandidate {
        foundation: "1".into(),
        component: 1,
        priority: 2_130_706_431,
        address: "192.0.2.7".into(),
        port: 61_000,
        candidate_type: CandidateType::Host,
        related_address: String::new(),
        related_port: 0,
        ufrag: None,
    }
}

/// `<mid> <kind> <direction> <setup>`, with ` port 0` where the section is stopped (CDS-25).
pub fn rows(description: &SessionDescription) -> Vec<String> {
    let row = |section: &erizo::negotiation::section::MediaSection| {
        let open = section.just_added_in_offer || section.stopped;
        let setup = if open { "actpass" } else { description.dtls_role().word() };
        let port = if section.stopped { " port 0" } else { "" };
        format!("{} {} {} {setup}{port}", section.mid, section.kind, section.direction_word())
    };
    description.sections().iter().map(row).collect()
}

/// What browsers and ErizoJS rely on (contract CDS-26, JSA-15, JSA-33, JSA-34).
pub fn check(description: &SessionDescription) {
    let mut live: Vec<&str> = Vec::new();
    for section in description.sections() {
        assert!(!section.mid.is_empty());
        assert_ne!(section.mid, "undefined");
        if !section.stopped {
            assert!(!live.contains(&section.mid.as_str()), "mid {} twice", section.mid);
            live.push(&section.mid);
            if section.kind == "audio" || section.kind == "video" {
                let codecs = description.codecs(section.media_type()).count();
                assert!(codecs > 0, "no codec in section {}", section.mid);
            }
        }
    }
    let text = description.to_sdp(0);
    let again = SessionDescription::from_sdp(&text, &configuration("VP8")).expect("our own SDP");
    assert_eq!(again.sections().len(), description.sections().len());
}
