//! What is measured: names, units, and which way is better. How it is measured is the visits' business.

/// One row of a table.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Figure {
    Start,
    LatencyMedian,
    LatencyTail,
    IdleProcessor,
    IdleMemory,
    InTime,
    InRate,
    InLost,
    InDoubled,
    InProcessor,
    InWritten,
    OutTime,
    OutRate,
    OutLost,
    OutDoubled,
    OutProcessor,
    OutWritten,
}

/// Which of two values is the better one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Better {
    Less,
    More,
}

impl Figure {
    pub const ALL: [Self; 17] = [
        Self::Start,
        Self::LatencyMedian,
        Self::LatencyTail,
        Self::InTime,
        Self::InRate,
        Self::InLost,
        Self::InDoubled,
        Self::OutTime,
        Self::OutRate,
        Self::OutLost,
        Self::OutDoubled,
        Self::IdleProcessor,
        Self::IdleMemory,
        Self::InWritten,
        Self::OutWritten,
        Self::InProcessor,
        Self::OutProcessor,
    ];

    /// As the table names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start to ready",
            Self::LatencyMedian => "notice to visible, median",
            Self::LatencyTail => "notice to visible, p99",
            Self::IdleProcessor => "idle, processor",
            Self::IdleMemory => "idle, memory (PSS)",
            Self::InTime => "burst in, time",
            Self::InRate => "burst in, rate",
            Self::InLost => "burst in, lost",
            Self::InDoubled => "burst in, doubled",
            Self::InProcessor => "processor per SMS in",
            Self::InWritten => "written per SMS in",
            Self::OutTime => "burst out, time",
            Self::OutRate => "burst out, rate",
            Self::OutLost => "burst out, lost",
            Self::OutDoubled => "burst out, doubled",
            Self::OutProcessor => "processor per SMS out",
            Self::OutWritten => "written per SMS out",
        }
    }

    pub const fn unit(self) -> &'static str {
        match self {
            Self::Start | Self::InTime | Self::OutTime => "s",
            Self::LatencyMedian | Self::LatencyTail | Self::InProcessor | Self::OutProcessor => "ms",
            Self::IdleProcessor => "%",
            Self::IdleMemory => "MiB",
            Self::InRate | Self::OutRate => "SMS/s",
            Self::InLost | Self::InDoubled | Self::OutLost | Self::OutDoubled => "SMS",
            Self::InWritten | Self::OutWritten => "KiB",
        }
    }

    pub const fn better(self) -> Better {
        match self {
            Self::InRate | Self::OutRate => Better::More,
            Self::Start
            | Self::LatencyMedian
            | Self::LatencyTail
            | Self::IdleProcessor
            | Self::IdleMemory
            | Self::InTime
            | Self::InLost
            | Self::InDoubled
            | Self::InProcessor
            | Self::InWritten
            | Self::OutTime
            | Self::OutLost
            | Self::OutDoubled
            | Self::OutProcessor
            | Self::OutWritten => Better::Less,
        }
    }

    /// Counts of what must not be: a ratio of them says nothing.
    pub const fn is_count(self) -> bool {
        matches!(self, Self::InLost | Self::InDoubled | Self::OutLost | Self::OutDoubled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_a_row_and_a_name_of_its_own() {
        let mut names: Vec<_> = Figure::ALL.iter().map(|figure| figure.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Figure::ALL.len());
        let last = Figure::ALL.iter().max().copied();
        assert_eq!(last.map(|figure| figure as usize + 1), Some(Figure::ALL.len()));
    }
}
