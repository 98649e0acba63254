//! What was made to go wrong beside what the run told.

use std::collections::{BTreeMap, VecDeque};

use super::{Fault, FaultKind, FaultLog};
use crate::event::{Event, Trouble};

/// Words of a run that wait for their fault; what is older belongs to none.
const MOST_WAITING: usize = 256;

/// Listens to a run and finds for every fault what the run says of it.
pub struct FaultLedger {
    log: FaultLog,
    /// Faults of the log that have been looked at.
    seen: usize,
    open: Vec<Fault>,
    told: BTreeMap<FaultKind, u64>,
    words: VecDeque<Words>,
    others: u64,
    newest: Option<u64>,
}

/// What a run said.
enum Words {
    Trouble(Trouble),
    Sentence(String),
}

/// How the faults were told.
#[derive(Clone, Debug)]
pub struct FaultAccount {
    /// Faults that came through, and those of them that the run told, by kind.
    pub kinds: Vec<(FaultKind, u64, u64)>,
    /// Faults that the run did not tell.
    pub missed: Vec<Fault>,
    /// What the run told that belongs to no fault.
    pub others: u64,
}

impl FaultLedger {
    /// For the faults that `log` notes.
    pub fn new(log: FaultLog) -> Self {
        Self {
            log,
            seen: 0,
            open: Vec::new(),
            told: BTreeMap::new(),
            words: VecDeque::new(),
            others: 0,
            newest: None,
        }
    }

    /// Takes one event of the run.
    pub fn event(&mut self, event: &Event) {
        match event {
            Event::Frame { hands, .. } => self.newest = Some(hands.sequence),
            Event::Trouble(trouble) => self.words.push_back(Words::Trouble(trouble.clone())),
            Event::Warning(sentence) => self.words.push_back(Words::Sentence(sentence.clone())),
            _ => return,
        }
        self.settle();
    }

    /// The account now. A fault counts once a later frame has been through the front end.
    pub fn account(&mut self) -> FaultAccount {
        self.settle();
        let passed = |fault: &&Fault| self.newest.is_some_and(|newest| fault.sequence < newest);
        let missed: Vec<Fault> = self.open.iter().filter(passed).cloned().collect();
        let kinds = FaultKind::ALL.map(|kind| {
            let told = self.told.get(&kind).copied().unwrap_or_default();
            let silent = missed.iter().filter(|fault| fault.kind == kind).count() as u64;
            (kind, told + silent, told)
        });
        FaultAccount { kinds: kinds.to_vec(), missed, others: self.others + self.words.len() as u64 }
    }

    fn settle(&mut self) {
        let faults = self.log.since(self.seen);
        self.seen += faults.len();
        self.open.extend(faults);
        let (open, told) = (&mut self.open, &mut self.told);
        self.words.retain(|words| {
            let at = open.iter().position(|fault| match words {
                Words::Trouble(trouble) => fault.told_by(trouble),
                Words::Sentence(sentence) => fault.told_in(sentence),
            });
            let fault = at.map(|at| open.swap_remove(at));
            if let Some(fault) = &fault {
                *told.entry(fault.kind).or_default() += 1;
            }
            fault.is_none()
        });
        while self.words.len() > MOST_WAITING {
            self.words.pop_front();
            self.others += 1;
        }
    }
}
