//! Delivery reports and the parts they speak of (D15; TS 23.040 9.2.2.3).
//!
//! A report names its submission by TP-MR, one octet that the SIM counts round, and by the recipient as the network
//! writes it. Where that leaves two open parts, none is touched: a wrong "delivered" is worse than a missing one.
//! A report may come before the modem's answer with the TP-MR, so unmatched ones are kept and looked at again then.

use std::time::Duration;

use rusqlite::{OptionalExtension as _, params};

use super::{
    NewReport, ReportMatch, ReportOutcome, StoreError,
    inbox::{REPEAT_WINDOW, StoredSegment, insert_segment},
    outbox,
    rows::{digest_of, message_id},
    writer::Work,
};
use crate::model::MessageId;

/// Validity of our submissions (3 days) and a day for the report's way.
const REPORT_WINDOW: Duration = Duration::from_secs(4 * 24 * 3600);
/// TP-MR counts to 256; a part this many submissions back may share its reference with the one in hand.
const HALF_ROUND: i64 = 128;

pub(super) fn commit_report(work: &mut Work<'_>, report: &NewReport) -> Result<ReportMatch, StoreError> {
    let digest = digest_of(&report.key.pdu);
    let seen = work
        .connection
        .prepare_cached(
            "SELECT 1 FROM segment WHERE digest = ?1 AND (sim = ?2 OR slot = ?3)
                 AND (deleted_run IS NULL OR deleted_run > ?4)",
        )?
        .exists(params![digest, report.key.sim, report.key.slot.as_str(), work.now.before(REPEAT_WINDOW).0])?;
    if seen {
        return Ok(ReportMatch::Duplicate);
    }
    let stored = StoredSegment { key: &report.key, digest: &digest, kind: "report" };
    let row = insert_segment(work, &stored, report.received_at, None)?;
    work.connection
        .prepare_cached(
            "INSERT INTO report (segment, sim, reference, recipient, status, outcome, text, received_run)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            row,
            report.key.sim,
            report.reference,
            report.recipient,
            report.status,
            outcome_word(report.outcome),
            report.text,
            work.now.0
        ])?;
    let news = News {
        segment: row,
        reference: report.reference,
        recipient: report.recipient.clone(),
        outcome: report.outcome,
        text: report.text.clone(),
    };
    match find_part(work, &report.key.sim, report.reference, &report.recipient)? {
        Found::One(part) => {
            apply(work, &part, &news)?;
            Ok(ReportMatch::Message(part.id))
        }
        Found::Several => {
            close_report(work, row, None)?;
            Ok(ReportMatch::Ambiguous)
        }
        Found::None => Ok(ReportMatch::Unmatched),
    }
}

/// The part's reference became known: looks again at what was reported of its recipient since it was handed over.
pub(super) fn early_reports(work: &mut Work<'_>, message: i64, number: u16) -> Result<(), StoreError> {
    let Some(part) = Part::load(work, message, number)? else { return Ok(()) };
    for news in waiting_reports(work, &part)? {
        match find_part(work, &part.sim, news.reference, &news.recipient)? {
            Found::One(meant) => apply(work, &meant, &news)?,
            Found::Several => close_report(work, news.segment, None)?,
            Found::None => {}
        }
    }
    Ok(())
}

/// The outcome of the part is unknown: a single waiting report for its recipient, with no other part it could mean,
/// tells.
pub(super) fn reports_for_unknown(work: &mut Work<'_>, message: i64, number: u16) -> Result<(), StoreError> {
    let Some(part) = Part::load(work, message, number)? else { return Ok(()) };
    let alone = matches!(doubtful_part(work, &part.sim, &part.recipient)?, Found::One(_));
    if !alone || in_hand(work, &part.sim, &part.recipient)? {
        return Ok(());
    }
    let waiting = waiting_reports(work, &part)?;
    let same = waiting.windows(2).all(|pair| matches!(pair, [a, b] if a.reference == b.reference));
    if same {
        for news in waiting {
            apply(work, &part, &news)?;
        }
    }
    Ok(())
}

struct News {
    segment: i64,
    reference: u8,
    recipient: String,
    outcome: ReportOutcome,
    text: String,
}

#[derive(Clone)]
struct Part {
    id: MessageId,
    message: i64,
    number: u16,
    state: String,
    sim: String,
    recipient: String,
    submitted_run: i64,
}

impl Part {
    fn load(work: &Work<'_>, message: i64, number: u16) -> Result<Option<Self>, StoreError> {
        let found = work
            .connection
            .prepare_cached(
                "SELECT s.*, o.id, o.recipient FROM outbox_segment AS s JOIN outbox AS o ON o.sequence = s.message
                 WHERE s.message = ?1 AND s.number = ?2 AND s.submitted_run IS NOT NULL",
            )?
            .query_row(params![message, number], Self::from_row)
            .optional()?;
        Ok(found)
    }

    fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: message_id(row, "id")?,
            message: row.get("message")?,
            number: row.get("number")?,
            state: row.get("state")?,
            sim: row.get("sim")?,
            recipient: row.get("recipient")?,
            submitted_run: row.get("submitted_run")?,
        })
    }

    fn is(&self, other: &Self) -> bool {
        (self.message, self.number) == (other.message, other.number)
    }

    fn is_open(&self) -> bool {
        matches!(self.state.as_str(), "sent" | "unknown" | "sending" | "pending")
    }
}

enum Found {
    None,
    One(Part),
    Several,
}

/// The part a report speaks of: an open one with its reference; else one that ended with it; else the only one to that
/// recipient that has a submission whose reference never became known.
fn find_part(work: &Work<'_>, sim: &str, reference: u8, recipient: &str) -> Result<Found, StoreError> {
    let with_reference: Vec<Part> = work
        .connection
        .prepare_cached(
            "SELECT s.*, o.id, o.recipient FROM outbox_segment AS s JOIN outbox AS o ON o.sequence = s.message
             WHERE s.sim = ?1 AND s.reference = ?2 AND s.submitted_run >= ?3
             ORDER BY s.message DESC, s.number DESC",
        )?
        .query_map(params![sim, reference, work.now.before(REPORT_WINDOW).0], Part::from_row)?
        .collect::<Result<_, _>>()?;
    let fitting = to_recipient(with_reference, recipient);
    let (open, ended): (Vec<Part>, Vec<Part>) = fitting.into_iter().partition(Part::is_open);
    let in_hand = in_hand(work, sim, recipient)?;
    match open.as_slice() {
        // The part in hand may be about to get this very reference a second time round; its answer will tell.
        [part] if in_hand && later_submissions(work, part)? >= HALF_ROUND => return Ok(Found::None),
        [part] => return Ok(Found::One(part.clone())),
        [] if in_hand => return Ok(Found::None),
        [] => {}
        _ => return Ok(Found::Several),
    }
    match doubtful_part(work, sim, recipient)? {
        Found::None => Ok(ended.into_iter().next().map_or(Found::None, Found::One)),
        Found::One(part) if ended.iter().all(|other| other.is(&part)) => Ok(Found::One(part)),
        // Either the doubtful one's first word or an ended one's last: nobody can tell.
        Found::One(_) | Found::Several if !ended.is_empty() => Ok(Found::Several),
        found @ (Found::One(_) | Found::Several) => Ok(found),
    }
}

fn doubtful_part(work: &Work<'_>, sim: &str, recipient: &str) -> Result<Found, StoreError> {
    let mut fitting = to_recipient(handed_over(work, sim, IN_DOUBT)?, recipient).into_iter();
    Ok(match (fitting.next(), fitting.next()) {
        (None, _) => Found::None,
        (Some(part), None) => Found::One(part),
        (Some(_), Some(_)) => Found::Several,
    })
}

/// References the SIM has given out since the part's.
fn later_submissions(work: &Work<'_>, part: &Part) -> Result<i64, StoreError> {
    Ok(work
        .connection
        .prepare_cached(
            "SELECT count(*) FROM outbox_segment WHERE sim = ?1 AND reference IS NOT NULL AND submitted_run >= ?2",
        )?
        .query_row(params![part.sim, part.submitted_run], |row| row.get(0))?)
}

fn in_hand(work: &Work<'_>, sim: &str, recipient: &str) -> Result<bool, StoreError> {
    let parts = handed_over(work, sim, IN_HAND)?;
    Ok(!to_recipient(parts, recipient).is_empty())
}

/// A submission of theirs may have a reference that nobody knows: the last one, or the one before, in doubt too, if the
/// part was submitted again.
const IN_DOUBT: &str = "s.doubtful = 1 AND (s.reference IS NULL OR s.submissions > 1)";
/// Being sent for the first time.
const IN_HAND: &str = "s.doubtful = 0 AND s.reference IS NULL AND s.state = 'sending'";

/// Parts the SIM was given of which this is true.
fn handed_over(work: &Work<'_>, sim: &str, condition: &str) -> Result<Vec<Part>, StoreError> {
    let parts = work
        .connection
        .prepare_cached(&format!(
            "SELECT s.*, o.id, o.recipient FROM outbox_segment AS s JOIN outbox AS o ON o.sequence = s.message
             WHERE s.sim = ?1 AND {condition} AND s.submitted_run >= ?2"
        ))?
        .query_map(params![sim, work.now.before(REPORT_WINDOW).0], Part::from_row)?
        .collect::<Result<_, _>>()?;
    Ok(parts)
}

/// Those to exactly this number; if there are none, those to what is likely the same number in another notation.
fn to_recipient(parts: Vec<Part>, recipient: &str) -> Vec<Part> {
    let (exact, others): (Vec<Part>, Vec<Part>) =
        parts.into_iter().partition(|part| bare(&part.recipient) == bare(recipient));
    if exact.is_empty() {
        others.into_iter().filter(|part| is_same_number(&part.recipient, recipient)).collect()
    } else {
        exact
    }
}

/// Unmatched reports of the part's recipient that came since it was handed over.
fn waiting_reports(work: &Work<'_>, part: &Part) -> Result<Vec<News>, StoreError> {
    let mut statement = work.connection.prepare_cached(
        "SELECT segment, reference, outcome, text, recipient FROM report
         WHERE settled = 0 AND sim = ?1 AND received_run >= ?2 ORDER BY segment",
    )?;
    let mut rows = statement.query(params![part.sim, part.submitted_run])?;
    let mut waiting = Vec::new();
    while let Some(row) = rows.next()? {
        let recipient: String = row.get("recipient")?;
        let outcome: String = row.get("outcome")?;
        if is_same_number(&part.recipient, &recipient) {
            waiting.push(News {
                segment: row.get("segment")?,
                reference: row.get("reference")?,
                outcome: parse_outcome(&outcome),
                text: row.get("text")?,
                recipient,
            });
        }
    }
    Ok(waiting)
}

/// Writes the report's word down at the part. "Delivered" is never taken back.
fn apply(work: &mut Work<'_>, part: &Part, news: &News) -> Result<(), StoreError> {
    let changed = work
        .connection
        .prepare_cached(
            "UPDATE outbox_segment SET reference = ifnull(reference, ?3),
                 state = CASE WHEN ?4 <> 'trying' THEN ?4
                              WHEN state IN ('undelivered', 'expired') THEN state
                              ELSE 'sent' END
             WHERE message = ?1 AND number = ?2 AND state <> 'delivered'",
        )?
        .execute(params![part.message, part.number, news.reference, outcome_word(news.outcome)])?;
    close_report(work, news.segment, Some(part.id))?;
    if changed > 0 {
        if news.outcome != ReportOutcome::Delivered {
            work.connection
                .prepare_cached("UPDATE outbox SET cause = ?2 WHERE sequence = ?1")?
                .execute(params![part.message, news.text])?;
        }
        outbox::settle(work, part.message)?;
    }
    Ok(())
}

fn close_report(work: &Work<'_>, segment: i64, id: Option<MessageId>) -> Result<(), StoreError> {
    work.connection
        .prepare_cached("UPDATE report SET settled = 1, message = ?2 WHERE segment = ?1")?
        .execute(params![segment, id.map(|id| id.to_string())])?;
    Ok(())
}

/// A number without its `+`; a name as it is.
fn bare(number: &str) -> &str {
    number.strip_prefix('+').unwrap_or(number)
}

/// Whether two notations may mean one subscriber: equal, or one ends in the other once `+`, `00` and the trunk `0` are
/// off, with eight digits at least. Short codes have to be equal.
fn is_same_number(one: &str, other: &str) -> bool {
    const ENOUGH_DIGITS: usize = 8;
    if bare(one) == bare(other) {
        return true;
    }
    let (one, other) = (bare(one).trim_start_matches('0'), bare(other).trim_start_matches('0'));
    let (short, long) = if one.len() < other.len() { (one, other) } else { (other, one) };
    short.len() >= ENOUGH_DIGITS && short.bytes().all(|b| b.is_ascii_digit()) && long.ends_with(short)
}

const fn outcome_word(outcome: ReportOutcome) -> &'static str {
    match outcome {
        ReportOutcome::Delivered => "delivered",
        ReportOutcome::Trying => "trying",
        ReportOutcome::Undelivered => "undelivered",
        ReportOutcome::Expired => "expired",
    }
}

fn parse_outcome(word: &str) -> ReportOutcome {
    match word {
        "delivered" => ReportOutcome::Delivered,
        "undelivered" => ReportOutcome::Undelivered,
        "expired" => ReportOutcome::Expired,
        _ => ReportOutcome::Trying,
    }
}

#[cfg(test)]
mod tests {
    use super::is_same_number;

    #[test]
    fn notations_of_one_number() {
        for (one, other, same) in [
            ("+491761234567", "491761234567", true),
            ("+491761234567", "01761234567", true),
            ("+491761234567", "00491761234567", true),
            ("+491761234567", "1234567", false),
            ("+491761234567", "+431761234567", false),
            ("1234", "1234", true),
            ("1234", "01234", false),
            ("+49176123456", "+49176123457", false),
        ] {
            assert_eq!(is_same_number(one, other), same, "{one} {other}");
            assert_eq!(is_same_number(other, one), same, "{other} {one}");
        }
    }
}
