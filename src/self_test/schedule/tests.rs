//! Tables of clocks and records, and random walks through time.

use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
const INTERVALS: [SelfTestInterval; 3] = [SelfTestInterval::Daily, SelfTestInterval::Weekly, SelfTestInterval::Monthly];

/// A machine with a wall clock, a boot clock and a SIM that is always ready.
struct Machine {
    interval: SelfTestInterval,
    clocks: Clocks,
    offset: Duration,
    last: Option<SelfTestStart>,
    /// True time and running time of every test.
    tests: Vec<(Duration, RunTime)>,
    passed: Duration,
}

impl Machine {
    fn new(interval: SelfTestInterval, wall: &str, zone: &str) -> Self {
        let zone = TimeZone::get(zone).unwrap();
        let clocks = Clocks { wall: wall.parse().unwrap(), run: RunTime(0), zone };
        Self { interval, clocks, offset: Duration::ZERO, last: None, tests: Vec::new(), passed: Duration::ZERO }
    }

    /// Looks; whether a test was started.
    fn look(&mut self) -> bool {
        let due = is_due(self.interval, &self.clocks, self.offset, self.last.as_ref());
        if due {
            let day = day(&self.clocks, self.offset);
            self.last = Some(SelfTestStart { day, wall: self.clocks.wall, run: self.clocks.run, same_boot: true });
            self.tests.push((self.passed, self.clocks.run));
        }
        due
    }

    /// Time passes with the gateway up, looking each minute.
    fn run(&mut self, time: Duration) -> usize {
        let before = self.tests.len();
        let end = self.passed + time;
        while self.passed < end {
            self.look();
            let step = MINUTE.min(end - self.passed);
            self.passed += step;
            self.clocks.wall += step;
            self.clocks.run = self.clocks.run.after(step);
        }
        self.look();
        self.tests.len() - before
    }

    /// The machine is off for a while.
    fn off(&mut self, time: Duration) {
        self.passed += time;
        self.clocks.wall += time;
        if let Some(last) = &mut self.last {
            last.same_boot = false;
        }
    }

    /// The daemon alone is down: the boot clock goes on.
    fn down(&mut self, time: Duration) {
        self.passed += time;
        self.clocks.wall += time;
        self.clocks.run = self.clocks.run.after(time);
    }

    fn set_clock(&mut self, wall: &str) {
        self.clocks.wall = wall.parse().unwrap();
    }

    fn local(&self) -> String {
        self.clocks.wall.to_zoned(self.clocks.zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
    }

    /// Runs until the next test and says when that was by the wall clock.
    fn until_next(&mut self) -> String {
        self.run(MINUTE);
        let before = self.tests.len();
        for _ in 0..100 * 24 * 60 {
            if self.tests.len() > before {
                break;
            }
            self.run(MINUTE);
        }
        self.local()
    }
}

/// Tested this period, at the given times, and how long each interval runs on before the next.
#[test]
fn each_period_begins_where_the_manual_says() {
    for (interval, start, next) in [
        (SelfTestInterval::Daily, "2026-11-18T12:00:00Z", "2026-11-19 01:00"),
        (SelfTestInterval::Daily, "2026-11-18T02:00:00Z", "2026-11-19 00:00"),
        // 18 November 2026 is a Wednesday, 23 November a Monday, 1 December a Tuesday.
        (SelfTestInterval::Weekly, "2026-11-18T12:00:00Z", "2026-11-23 00:00"),
        (SelfTestInterval::Weekly, "2026-11-15T22:59:00Z", "2026-11-19 11:59"),
        (SelfTestInterval::Weekly, "2026-11-15T23:00:00Z", "2026-11-23 00:00"),
        (SelfTestInterval::Monthly, "2026-11-02T12:00:00Z", "2026-12-01 00:00"),
        (SelfTestInterval::Monthly, "2026-11-30T22:59:00Z", "2026-12-16 11:59"),
        (SelfTestInterval::Monthly, "2028-02-01T12:00:00Z", "2028-03-01 00:00"),
        // Leap day and turn of the year.
        (SelfTestInterval::Daily, "2028-02-28T08:00:00Z", "2028-02-29 00:00"),
        (SelfTestInterval::Daily, "2028-02-29T08:00:00Z", "2028-03-01 00:00"),
        (SelfTestInterval::Daily, "2026-12-31T08:00:00Z", "2027-01-01 00:00"),
        (SelfTestInterval::Weekly, "2026-12-28T08:00:00Z", "2027-01-04 00:00"),
    ] {
        let mut machine = Machine::new(interval, start, "Europe/Berlin");
        assert!(machine.look(), "the first at once");
        assert_eq!(machine.until_next(), next, "{interval:?} from {start}");
    }
}

#[test]
fn what_was_missed_while_off_is_made_up_for_once() {
    for (interval, off, next_period) in [
        (SelfTestInterval::Daily, 30 * HOUR, 18 * HOUR),
        (SelfTestInterval::Weekly, 7 * DAY, 5 * DAY),
        (SelfTestInterval::Monthly, 33 * DAY, 20 * DAY),
    ] {
        // Monday, 2 November, noon.
        let mut machine = Machine::new(interval, "2026-11-02T12:00:00Z", "UTC");
        assert_eq!(machine.run(HOUR), 1);
        machine.off(off);
        assert!(machine.look(), "{interval:?}");
        assert_eq!(machine.run(next_period - HOUR), usize::from(interval == SelfTestInterval::Daily), "{interval:?}");
    }
}

/// Row D17: none of this sends a second test in a period.
#[test]
fn nothing_that_happens_to_clocks_repeats_a_test() {
    type Change = fn(&mut Machine);
    let cases: [(&str, Change); 12] = [
        ("nothing", |_| {}),
        ("the daemon restarts", |machine| machine.down(MINUTE)),
        ("a reboot", |machine| machine.off(MINUTE)),
        ("ten reboots", |machine| {
            for _ in 0..10 {
                machine.off(MINUTE);
                machine.run(MINUTE);
            }
        }),
        ("+10 years", |machine| machine.clocks.wall += 10 * YEAR),
        ("-10 years", |machine| machine.clocks.wall -= 10 * YEAR),
        ("+10 years and back", |machine| {
            machine.clocks.wall += 10 * YEAR;
            machine.run(HOUR);
            machine.clocks.wall -= 10 * YEAR;
        }),
        ("-10 years and back", |machine| {
            machine.clocks.wall -= 10 * YEAR;
            machine.run(HOUR);
            machine.clocks.wall += 10 * YEAR;
        }),
        ("1970 at boot until the time server answers", |machine| {
            let wall = machine.clocks.wall;
            machine.off(MINUTE);
            machine.set_clock("1970-01-01T00:00:10Z");
            machine.run(5 * MINUTE);
            machine.clocks.wall = wall + 6 * MINUTE;
        }),
        ("1970 at every boot", |machine| {
            for _ in 0..5 {
                machine.off(MINUTE);
                machine.set_clock("1970-01-01T00:00:10Z");
                machine.run(5 * MINUTE);
            }
        }),
        ("a reboot into a clock that is a year behind", |machine| {
            machine.off(MINUTE);
            machine.clocks.wall -= YEAR;
        }),
        ("the time server corrects an hour", |machine| machine.clocks.wall -= HOUR),
    ];
    for interval in INTERVALS {
        for (name, change) in cases {
            let mut machine = Machine::new(interval, "2026-11-02T00:00:00Z", "UTC");
            assert_eq!(machine.run(5 * MINUTE), 1);
            change(&mut machine);
            machine.run(10 * HOUR);
            assert_eq!(machine.tests.len(), 1, "{interval:?}: {name}");
            // It goes on afterwards, one per interval of running time at most.
            let more = machine.run(4 * length(interval));
            assert!((3..=5).contains(&more), "{interval:?}: {name}: {more} more in four intervals");
        }
    }
}

#[test]
fn a_reboot_at_midnight_sends_one() {
    let mut machine = Machine::new(SelfTestInterval::Daily, "2026-11-20T08:00:00Z", "UTC");
    machine.run(16 * HOUR - 2 * MINUTE);
    assert_eq!((machine.tests.len(), machine.local().as_str()), (1, "2026-11-20 23:58"));
    for _ in 0..20 {
        machine.run(MINUTE);
        machine.off(Duration::from_secs(20));
    }
    assert_eq!(machine.tests.len(), 2);
    let mut crashed = Machine::new(SelfTestInterval::Daily, "2026-11-20T08:00:00Z", "UTC");
    crashed.run(16 * HOUR - MINUTE);
    crashed.off(90 * MINUTE);
    assert_eq!(crashed.run(20 * HOUR), 1, "off over midnight");
}

#[test]
fn days_of_23_and_25_hours_have_one_test() {
    for start in ["2026-03-28T12:00:00Z", "2026-10-24T12:00:00Z"] {
        let mut machine = Machine::new(SelfTestInterval::Daily, start, "Europe/Berlin");
        assert_eq!(machine.run(3 * DAY), 4, "{start}");
        assert!(machine.local().ends_with("13:00") || machine.local().ends_with("14:00"), "{}", machine.local());
    }
    // Where clocks go forward at midnight the day begins at one.
    let mut machine = Machine::new(SelfTestInterval::Daily, "2026-09-05T12:00:00Z", "America/Santiago");
    machine.run(MINUTE);
    assert_eq!(machine.until_next(), "2026-09-06 01:00");
    assert_eq!(machine.until_next(), "2026-09-07 00:00");
}

#[test]
fn a_clock_that_was_never_set_leaves_it_to_running_time() {
    let mut machine = Machine::new(SelfTestInterval::Daily, "1970-01-01T00:00:00Z", "UTC");
    assert_eq!(machine.run(23 * HOUR), 0);
    assert_eq!(machine.run(10 * DAY), 10);
    // Set at last, 23 hours after the tenth: one whole interval after it, then at midnight.
    machine.set_clock("2026-11-21T09:00:00Z");
    assert_eq!(machine.until_next(), "2026-11-21 10:00");
    assert_eq!(machine.until_next(), "2026-11-22 00:00");
    // After a reboot the time server is quicker than the first look.
    let mut unset = Machine::new(SelfTestInterval::Daily, "1970-01-01T00:00:00Z", "UTC");
    unset.run(25 * HOUR);
    unset.off(MINUTE);
    unset.set_clock("2026-11-21T09:00:00Z");
    assert_eq!(unset.run(HOUR), 0, "the record of a clock never set says nothing");
}

#[test]
fn another_interval_or_zone_starts_no_burst() {
    let mut machine = Machine::new(SelfTestInterval::Monthly, "2026-11-18T12:00:00Z", "UTC");
    machine.run(HOUR);
    machine.interval = SelfTestInterval::Weekly;
    assert_eq!(machine.until_next(), "2026-11-23 00:00");
    machine.interval = SelfTestInterval::Monthly;
    assert_eq!(machine.until_next(), "2026-12-08 12:00", "half a month after the last");
    machine.interval = SelfTestInterval::Daily;
    assert_eq!(machine.until_next(), "2026-12-09 00:00");
    machine.clocks.zone = TimeZone::get("America/New_York").unwrap();
    assert_eq!(machine.until_next(), "2026-12-10 00:00");
    machine.clocks.zone = TimeZone::get("Pacific/Auckland").unwrap();
    assert_eq!(machine.run(11 * HOUR), 0);
}

#[test]
fn a_pool_is_spread() {
    for slots in [1, 2, 16, 64] {
        let offsets: Vec<Duration> = (0..slots).map(|position| offset(position, slots)).collect();
        assert_eq!(offsets[0], Duration::ZERO);
        assert!(offsets.is_sorted_by(|a, b| a < b), "{slots}: each its own");
        assert!(offsets.iter().all(|offset| *offset < SPREAD), "{slots}");
    }
    assert_eq!(offset(0, 0), Duration::ZERO);
    let mut machine = Machine::new(SelfTestInterval::Daily, "2026-11-18T12:00:00Z", "UTC");
    machine.offset = offset(8, 16);
    machine.run(MINUTE);
    assert_eq!(machine.until_next(), "2026-11-19 00:08");
    assert_eq!(machine.until_next(), "2026-11-20 00:08");
    machine.off(MINUTE);
    assert_eq!(machine.run(HOUR), 0);
}

#[test]
fn a_test_outlives_neither_its_interval_nor_a_day() {
    for interval in INTERVALS {
        assert!(lifetime(interval) <= length(interval) / 2 && lifetime(interval) <= DAY);
    }
    assert_eq!(lifetime(SelfTestInterval::Daily), 12 * HOUR);
    assert_eq!(lifetime(SelfTestInterval::Monthly), DAY);
}

#[derive(Clone, Debug)]
enum Event {
    Run(Duration),
    Down(Duration),
    Off(Duration),
    Jump(i64),
}

fn honest() -> impl Strategy<Value = Event> {
    let minutes = |most: u64| (0..most).prop_map(|minutes| Duration::from_secs(minutes * 60));
    prop_oneof![
        4 => minutes(3 * 24 * 60).prop_map(Event::Run),
        1 => minutes(600).prop_map(Event::Down),
        1 => minutes(4 * 24 * 60).prop_map(Event::Off),
    ]
}

fn dishonest() -> impl Strategy<Value = Event> {
    let jump = prop_oneof![
        -400_000_000_i64..400_000_000,
        -200_000_i64..200_000,
        Just(-1_800_000_000_i64),
        Just(315_360_000_i64)
    ];
    let running = (1_u64..3 * 24 * 60).prop_map(|minutes| Event::Run(Duration::from_secs(minutes * 60)));
    prop_oneof![3 => jump.prop_map(Event::Jump), 3 => running]
}

fn intervals() -> impl Strategy<Value = SelfTestInterval> {
    proptest::sample::select(INTERVALS.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// On a clock that is right: never two in a period, and none left out in which the gateway was up long enough.
    #[test]
    fn honest_clocks_give_one_test_a_period(
        interval in intervals(),
        start in 1_790_000_000_i64..1_900_000_000,
        zone in proptest::sample::select(vec!["UTC", "Europe/Berlin", "America/Santiago", "Australia/Lord_Howe"]),
        events in proptest::collection::vec(honest(), 1..40),
    ) {
        let start = Timestamp::from_second(start).unwrap();
        let mut machine = Machine::new(interval, &start.to_string(), zone);
        let zone = machine.clocks.zone.clone();
        let period_at = |passed: Duration| period(interval, (start + passed).to_zoned(zone.clone()).date());
        for event in events {
            match event {
                Event::Run(time) => { machine.run(time); }
                Event::Down(time) => machine.down(time),
                Event::Off(time) => machine.off(time),
                Event::Jump(_) => {}
            }
            // Half an interval of a period left, or half an interval since the last: looking would have found it due.
            machine.look();
            let (at, _) = *machine.tests.last().unwrap();
            let since = machine.passed - at;
            prop_assert!(
                period_at(at) == period_at(machine.passed) || since < length(interval) / 2,
                "starved for {:?} at {}", since, machine.local()
            );
        }
        let periods: Vec<Date> = machine.tests.iter().map(|(at, _)| period_at(*at)).collect();
        prop_assert!(periods.is_sorted_by(|a, b| a < b), "{:?}", periods);
    }

    /// On a clock that jumps about: never two within half an interval of running time, and never more than an interval
    /// of it and a period without one.
    #[test]
    fn dishonest_clocks_change_the_rhythm_and_not_the_rate(
        interval in intervals(),
        events in proptest::collection::vec(dishonest(), 1..60),
    ) {
        let mut machine = Machine::new(interval, "2027-03-01T00:00:00Z", "Europe/Berlin");
        for event in events {
            match event {
                Event::Run(time) | Event::Down(time) | Event::Off(time) => { machine.run(time); }
                Event::Jump(seconds) => {
                    if let Ok(wall) = machine.clocks.wall.checked_add(SignedDuration::from_secs(seconds)) {
                        machine.clocks.wall = wall;
                    }
                }
            }
        }
        let end = machine.clocks.run;
        let times: Vec<RunTime> = machine.tests.iter().map(|(_, run)| *run).collect();
        for pair in times.windows(2) {
            prop_assert!(pair[1].since(pair[0]) >= length(interval) / 2, "{:?}", times);
        }
        let gaps = times.iter().zip(times.iter().skip(1).chain([&end])).map(|(from, to)| to.since(*from));
        let longest = gaps.max().unwrap_or_default();
        prop_assert!(longest <= 2 * length(interval), "{:?} without a test", longest);
    }
}
