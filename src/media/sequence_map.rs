//! Renumbering of a sequence from which some numbers are left out and to which others are added
//! (contract section 3.4): packets dropped on purpose leave no hole that a receiver would ask for.
//!
//! Pure arithmetic over extended numbers, so "older" is plain `<` and the half-range rule
//! (RFC 1982 §3.2) has been applied where the numbers were extended. Used for sequence numbers and
//! for VP8 picture ids.

/// What became of one input number (M-SEQ-2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mapping {
    /// Send with this number.
    Valid(u64),
    /// The same, for an input that was already answered so: a duplicate, or a further packet of
    /// one picture.
    Repeated(u64),
    /// Not sent, and no output number was consumed.
    Skip,
    /// Not sent, although an output number had been set aside for it: a hole remains.
    Discard,
}

/// See the module documentation.
#[derive(Clone, Debug)]
pub struct SequenceMap {
    state: State,
    /// By input modulo `WINDOW`.
    records: Box<[Record]>,
    /// Width of the numbers on the wire; the first output keeps only these bits, so that roll-over
    /// counting starts at zero (RFC 3711 §3.3.1).
    bits: u32,
    /// The newest output that was sent or generated.
    last_output: u64,
    /// The next input continues after `last_output` instead of choosing the number.
    continues: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// No input yet, or none since the last reset.
    Fresh,
    Running {
        first_input: u64,
        last_input: u64,
        /// The newest output set aside; at least `last_output`.
        assigned: u64,
    },
}

/// Output numbers modulo 2^30 with the state in the two bits above: a packet touches 4 bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Record(u32);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Skipped = 0,
    Reserved = 1,
    Sent = 2,
    Discarded = 3,
}

impl Record {
    fn new(kind: Kind, output: u64) -> Self {
        Record((output as u32 & OUTPUT_MASK) | (kind as u32) << 30)
    }

    fn kind(self) -> Kind {
        match self.0 >> 30 {
            0 => Kind::Skipped,
            1 => Kind::Reserved,
            2 => Kind::Sent,
            _ => Kind::Discarded,
        }
    }
}

impl SequenceMap {
    /// An input this far behind the newest is too old (M-SEQ-1, M-SEQ-5).
    pub const DISTANCE: u64 = 500;

    /// A longer gap is a source that jumped or restarted (M-PKT-5): the output goes on without a
    /// gap. A receiver guesses the SRTP roll-over counter from 16 bits and would be lost after a
    /// jump of half their range (RFC 3711 §3.3.1).
    const MAX_GAP: u64 = 8192;

    /// `bits`: 16 for sequence numbers, 15 for VP8 picture ids.
    pub fn new(bits: u32) -> Self {
        SequenceMap {
            state: State::Fresh,
            records: vec![Record::default(); WINDOW as usize].into_boxed_slice(),
            bits,
            last_output: 0,
            continues: false,
        }
    }

    /// Answers for `input`; `skip` says that it will not be sent.
    pub fn get(&mut self, input: u64, skip: bool) -> Mapping {
        match self.state {
            State::Fresh => self.start(input, skip),
            State::Running { first_input, last_input, assigned } if input > last_input => {
                self.advance(input, skip, first_input, last_input, assigned)
            }
            State::Running { first_input, last_input, assigned } => {
                if input < first_input || last_input - input > Self::DISTANCE {
                    return Mapping::Skip;
                }
                self.look_up(input, skip, assigned)
            }
        }
    }

    /// The next number for a packet made here (M-SEQ-6). Numbers set aside for inputs that have
    /// not come yet are withdrawn, because the generated packet takes the first of them.
    pub fn generate(&mut self) -> u64 {
        if let State::Running { first_input, last_input, .. } = self.state {
            let mut input = last_input;
            while input >= first_input && last_input - input < WINDOW {
                match self.record(input).kind() {
                    Kind::Reserved => self.set(input, Record::new(Kind::Skipped, 0)),
                    Kind::Skipped => {}
                    Kind::Sent | Kind::Discarded => break,
                }
                let Some(previous) = input.checked_sub(1) else { break };
                input = previous;
            }
            let assigned = self.last_output + 1;
            self.state = State::Running { first_input, last_input, assigned };
        }
        self.last_output += 1;
        self.continues = true;
        self.last_output
    }

    /// Forgets the inputs but keeps counting outputs, for a source that numbers differently
    /// (M-SEQ-8).
    pub fn reset(&mut self) {
        if matches!(self.state, State::Running { .. }) {
            self.state = State::Fresh;
            self.continues = true;
        }
    }

    /// The newest output that was sent or generated.
    pub fn last_output(&self) -> Option<u64> {
        (self.continues || matches!(self.state, State::Running { .. })).then_some(self.last_output)
    }

    /// M-SEQ-3: a skipped first input does not start the map.
    fn start(&mut self, input: u64, skip: bool) -> Mapping {
        if skip {
            return Mapping::Skip;
        }
        let output = match self.continues {
            true => self.last_output + 1,
            false => input & ((1 << self.bits) - 1),
        };
        self.last_output = output;
        self.state = State::Running { first_input: input, last_input: input, assigned: output };
        self.set(input, Record::new(Kind::Sent, output));
        Mapping::Valid(output)
    }

    /// M-SEQ-4.
    fn advance(
        &mut self,
        input: u64,
        skip: bool,
        first_input: u64,
        last_input: u64,
        assigned: u64,
    ) -> Mapping {
        let gap = input - last_input - 1;
        if gap > Self::MAX_GAP {
            self.reset();
            return self.start(input, skip);
        }
        // Numbers are set aside for the whole gap, but only the part that can still be asked for
        // is written down.
        for back in (1..=gap.min(Self::DISTANCE)).rev() {
            self.set(input - back, Record::new(Kind::Reserved, assigned + gap + 1 - back));
        }
        let mut assigned = assigned + gap;
        let answer = if skip {
            self.set(input, Record::new(Kind::Skipped, 0));
            Mapping::Skip
        } else {
            assigned += 1;
            self.last_output = assigned;
            self.set(input, Record::new(Kind::Sent, assigned));
            Mapping::Valid(assigned)
        };
        self.state = State::Running { first_input, last_input: input, assigned };
        answer
    }

    /// M-SEQ-5.
    fn look_up(&mut self, input: u64, skip: bool, assigned: u64) -> Mapping {
        let record = self.record(input);
        let behind = (assigned as u32).wrapping_sub(record.0) & OUTPUT_MASK;
        let output = assigned.saturating_sub(u64::from(behind));
        match record.kind() {
            Kind::Skipped => Mapping::Skip,
            Kind::Discarded => Mapping::Discard,
            Kind::Reserved | Kind::Sent if skip => {
                self.set(input, Record::new(Kind::Discarded, output));
                Mapping::Discard
            }
            Kind::Reserved => {
                self.last_output = self.last_output.max(output);
                self.set(input, Record::new(Kind::Sent, output));
                Mapping::Valid(output)
            }
            Kind::Sent => Mapping::Repeated(output),
        }
    }

    fn record(&self, input: u64) -> Record {
        self.records.get((input % WINDOW) as usize).copied().unwrap_or_default()
    }

    fn set(&mut self, input: u64, record: Record) {
        if let Some(slot) = self.records.get_mut((input % WINDOW) as usize) {
            *slot = record;
        }
    }
}

/// The smallest power of two above `SequenceMap::DISTANCE`: each newer input has overwritten its
/// own slot and those of its gap, so inside the distance a slot needs no tag.
const WINDOW: u64 = 512;
const OUTPUT_MASK: u32 = (1 << 30) - 1;

#[cfg(test)]
mod test {
    use super::*;
    use crate::rtp::sequence::Unwrapper16;

    /// Plays a row of M-SEQ-9 ("F5 S6 G R") and gives the answers in the same notation.
    fn play(row: &str) -> String {
        let mut map = SequenceMap::new(16);
        let mut unwrapper = Unwrapper16::default();
        let mut answers = Vec::new();
        for step in row.split_whitespace() {
            let (action, number) = step.split_at(1);
            match action {
                "G" => answers.push((map.generate() as u16).to_string()),
                "R" => {
                    map.reset();
                    unwrapper = Unwrapper16::default();
                }
                _ => {
                    let input = unwrapper.unwrap(number.parse().unwrap());
                    answers.push(match map.get(input, action == "S") {
                        Mapping::Valid(output) | Mapping::Repeated(output) => {
                            (output as u16).to_string()
                        }
                        Mapping::Skip => "-".to_owned(),
                        Mapping::Discard => "discard".to_owned(),
                    });
                }
            }
        }
        answers.join(" ")
    }

    #[test]
    fn gives_the_worked_examples_of_m_seq_9() {
        let rows = [
            ("F5 F6 F8 F7", "5 6 8 7"),
            ("F5 F6 S7 F8 F9", "5 6 - 7 8"),
            ("F5 F6 F8 S7 F9", "5 6 8 discard 9"),
            ("F5 F6 S7 F8 S7", "5 6 - 7 -"),
            ("F65535 S0 F1 F2", "65535 - 0 1"),
            ("S5059 R S1032 R F23537", "- - 23537"),
            ("F5058 S5059 R F23537", "5058 - 5059"),
            ("F50000 R F23537 F23538", "50000 50001 50002"),
            ("G F6 F7 F8", "1 2 3 4"),
            ("F5 G G F6 G G F7", "5 6 7 8 9 10 11"),
            ("F5 S6 G S7 F8", "5 - 6 - 7"),
            ("F6 S10 F9 R S301 R F901", "6 - 9 - 10"),
            ("F6 S10 G R S301 R F901", "6 - 7 - 8"),
            ("F30 G R G R F6", "30 31 32 33"),
        ];
        for (inputs, outputs) in rows {
            assert_eq!(play(inputs), outputs, "{inputs}");
        }
    }

    #[test]
    fn any_number_of_skips_leaves_no_hole_m_seq_9() {
        let mut map = SequenceMap::new(16);
        let mut unwrapper = Unwrapper16::default();
        assert_eq!(map.get(unwrapper.unwrap(5), false), Mapping::Valid(5));
        for skipped in 0..131_073_u32 {
            let input = unwrapper.unwrap(6_u32.wrapping_add(skipped) as u16);
            assert_eq!(map.get(input, true), Mapping::Skip);
        }
        assert_eq!(map.get(unwrapper.unwrap(7), false), Mapping::Valid(6));
    }

    #[test]
    fn an_input_behind_the_distance_is_skipped_m_seq_5() {
        let mut map = SequenceMap::new(16);
        map.get(1000, false);
        map.get(2000, false);
        assert_eq!(map.get(1499, false), Mapping::Skip);
        assert_eq!(map.get(1500, false), Mapping::Valid(1500));
        assert_eq!(map.get(999, false), Mapping::Skip, "before the first input");
    }

    #[test]
    fn a_jump_beyond_the_old_4095_limit_is_followed_m_pkt_5() {
        let mut map = SequenceMap::new(16);
        map.get(10, false);
        assert_eq!(map.get(6000, false), Mapping::Valid(6000));
        assert_eq!(map.get(6001, false), Mapping::Valid(6001));
        assert_eq!(map.get(60_000, false), Mapping::Valid(6002), "a restart shows no gap");
        assert_eq!(map.get(59_999, false), Mapping::Skip);
    }

    #[test]
    fn a_duplicate_is_told_from_a_late_packet() {
        let mut map = SequenceMap::new(16);
        map.get(10, false);
        map.get(12, false);
        assert_eq!(map.get(12, false), Mapping::Repeated(12));
        assert_eq!(map.get(11, false), Mapping::Valid(11));
        assert_eq!(map.get(11, false), Mapping::Repeated(11));
    }

    #[test]
    fn numbers_never_repeat_after_generating_into_a_gap() {
        let mut map = SequenceMap::new(16);
        map.get(6, false);
        map.get(10, true);
        assert_eq!(map.generate(), 7);
        assert_eq!(map.get(8, false), Mapping::Skip, "its number was given away");
        assert_eq!(map.get(11, false), Mapping::Valid(8));
    }

    #[test]
    fn outputs_start_in_the_first_cycle_and_then_count_on() {
        let mut map = SequenceMap::new(16);
        assert_eq!(map.get((7 << 16) + 65_535, false), Mapping::Valid(65_535));
        assert_eq!(map.get(8 << 16, false), Mapping::Valid(65_536));
    }
}
