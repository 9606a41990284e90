//! Seeded damage for parser tests: every truncation of a valid input, and random edits of it.
//! A parser under test only has to return; what it returns is asserted elsewhere.

/// SplitMix64: a few lines, and the same sequence on every machine.
pub struct Generator(u64);

impl Generator {
    pub fn new(seed: u64) -> Self {
        Generator(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// Calls `target` with every prefix of `input`, then with `rounds` random edits of it.
pub fn damage(input: &[u8], rounds: usize, mut target: impl FnMut(&[u8])) {
    for len in 0..=input.len() {
        target(&input[..len]);
    }
    let mut random = Generator::new(0x6572_697a_6f72_7470 ^ input.len() as u64);
    let mut copy = Vec::with_capacity(input.len() + 32);
    for _ in 0..rounds {
        copy.clear();
        copy.extend_from_slice(input);
        for _ in 0..1 + random.below(4) {
            edit(&mut copy, &mut random);
        }
        target(&copy);
    }
}

fn edit(bytes: &mut Vec<u8>, random: &mut Generator) {
    let position = random.below(bytes.len());
    let value = match random.below(4) {
        0 => 0,
        1 => 0xff,
        _ => random.next() as u8,
    };
    match random.below(6) {
        0 if !bytes.is_empty() => bytes.truncate(position),
        1 => bytes.insert(position, value),
        2 => bytes.extend((0..random.below(32)).map(|i| value.wrapping_add(i as u8))),
        3 if !bytes.is_empty() => bytes[position] ^= 1 << random.below(8),
        _ if !bytes.is_empty() => bytes[position] = value,
        _ => bytes.push(value),
    }
}
