//! Packets, keys and seeded chance for the SRTP tests.

use erizo::transport::srtp::{
    SessionKeys, SrtpInbound, SrtpOutbound, SrtpProfile, keying_material_len,
};

pub const PROFILES: [SrtpProfile; 2] =
    [SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmHmacSha1_80];

/// xorshift64: the tests need many cases, not good ones.
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

pub fn material(profile: SrtpProfile) -> Vec<u8> {
    Chance(0x1234_5678_9abc_def1).bytes(keying_material_len(profile))
}

/// One direction: the client's sending half and the server's receiving half.
pub fn direction(profile: SrtpProfile) -> (SrtpOutbound, SrtpInbound) {
    let material = material(profile);
    let (outbound, _) = SessionKeys::from_exporter(profile, &material, true).unwrap();
    let (_, inbound) = SessionKeys::from_exporter(profile, &material, false).unwrap();
    (outbound, inbound)
}

/// A clear RTP packet; the defaults are a bare header and 40 bytes of payload.
pub struct Rtp {
    pub ssrc: u32,
    pub csrc: Vec<u32>,
    /// Elements of a one-byte header extension block (RFC 8285 §4.2).
    pub extension: Vec<(u8, Vec<u8>)>,
    pub payload: Vec<u8>,
    /// Padding bytes, their count included; zero is none (RFC 3550 §5.1).
    pub padding: u8,
}

impl Default for Rtp {
    fn default() -> Self {
        let payload = (0..40).collect();
        Rtp { ssrc: 0x1122_3344, csrc: vec![], extension: vec![], payload, padding: 0 }
    }
}

impl Rtp {
    pub fn random(chance: &mut Chance) -> Rtp {
        let csrc = (0..chance.below(4)).map(|_| chance.next() as u32).collect();
        let extension = (1..=chance.below(4) as u8)
            .map(|id| {
                let len = 1 + chance.below(16);
                (id, chance.bytes(len))
            })
            .collect();
        let payload_len = chance.below(1200);
        let padding = if chance.below(3) == 0 { 1 + chance.below(255) as u8 } else { 0 };
        let payload = chance.bytes(payload_len);
        Rtp { ssrc: 0x1122_3344, csrc, extension, payload, padding }
    }

    /// The bytes and the length of their clear header.
    pub fn build(&self, sequence: u16) -> (Vec<u8>, usize) {
        let mut packet = vec![0x80 | self.csrc.len() as u8, 96];
        if self.padding != 0 {
            packet[0] |= 0x20;
        }
        packet.extend(sequence.to_be_bytes());
        packet.extend(90_000_u32.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend(self.csrc.iter().flat_map(|csrc| csrc.to_be_bytes()));
        if !self.extension.is_empty() {
            packet[0] |= 0x10;
            let mut block = vec![];
            for (id, data) in &self.extension {
                block.push(id << 4 | (data.len() - 1) as u8);
                block.extend(data);
            }
            block.resize(block.len().next_multiple_of(4), 0);
            packet.extend([0xbe, 0xde]);
            packet.extend((block.len() as u16 / 4).to_be_bytes());
            packet.extend(block);
        }
        let header_len = packet.len();
        packet.extend(&self.payload);
        if self.padding != 0 {
            packet.extend(vec![0; usize::from(self.padding) - 1]);
            packet.push(self.padding);
        }
        (packet, header_len)
    }

    /// Protected with the packet index `index`: roll-over counter and sequence number.
    pub fn protect(&self, outbound: &SrtpOutbound, index: u64) -> Vec<u8> {
        let (mut packet, header_len) = self.build(index as u16);
        let len = packet.len();
        packet.resize(len + outbound.profile().rtp_overhead(), 0);
        let protected =
            outbound.protect_rtp(&mut packet, len, header_len, (index >> 16) as u32).unwrap();
        assert_eq!(protected, packet.len());
        packet
    }
}

/// A clear receiver report with `words` words after the sender SSRC.
pub fn report(ssrc: u32, words: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 201];
    packet.extend((1 + words).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend((0..4 * words).map(|n| n as u8));
    packet
}

pub fn protect_report(outbound: &mut SrtpOutbound, ssrc: u32) -> Vec<u8> {
    let mut packet = report(ssrc, 6);
    outbound.protect_rtcp(&mut packet).unwrap();
    packet
}
