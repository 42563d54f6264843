//! What was read of a build goes into the tables, in place of what was there.

use rusqlite::{OptionalExtension, Transaction, params};

use crate::domain::{BlobKind, JobId, TestCase};

use super::read::Found;
use super::rows::{JobRow, Rows};

/// Forgets an entry and all that was known of its build.
pub(super) fn forget(change: &Transaction<'_>, entry: i64) -> rusqlite::Result<()> {
    forget_build(change, entry)?;
    change
        .prepare_cached("DELETE FROM entries WHERE id = ?1")?
        .execute([entry])?;
    Ok(())
}

fn forget_build(change: &Transaction<'_>, entry: i64) -> rusqlite::Result<()> {
    for all in [
        "DELETE FROM builds WHERE id = ?1",
        "DELETE FROM jobs WHERE build = ?1",
        "DELETE FROM commands WHERE build = ?1",
        "DELETE FROM tests WHERE build = ?1",
        "DELETE FROM blobs WHERE build = ?1",
        "DELETE FROM results WHERE build = ?1",
        "DELETE FROM words WHERE rowid = ?1",
    ] {
        change.prepare_cached(all)?.execute([entry])?;
    }
    Ok(())
}

/// Has an entry read again the next time, whatever its journal looks like.
pub(super) fn unread(change: &Transaction<'_>, entry: i64) -> rusqlite::Result<()> {
    change
        .prepare_cached("UPDATE entries SET settled = 0, length = NULL WHERE id = ?1")?
        .execute([entry])?;
    Ok(())
}

/// Keeps what was found in the folder of an entry. Not when the entry is gone by now, and not when
/// somebody else has already seen the build's end.
pub(super) fn keep(change: &Transaction<'_>, entry: i64, found: &Found) -> rusqlite::Result<()> {
    let known = change
        .prepare_cached(
            "SELECT e.settled, r.imported, r.org, r.repo
             FROM entries e JOIN repos r ON r.id = e.repo WHERE e.id = ?1",
        )?
        .query_row([entry], |row| {
            let names: [Vec<u8>; 2] = [row.get(2)?, row.get(3)?];
            Ok((row.get(0)?, row.get(1)?, names.join(&b'/')))
        })
        .optional()?;
    let Some((false, imported, place)) = known else {
        return Ok(());
    };
    let known_before = change
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM builds WHERE id = ?1)")?
        .query_row([entry], |row| row.get(0))?;
    if known_before {
        forget_build(change, entry)?;
    }
    let Found::Build(build) = found else {
        // It is looked at again the next time.
        return unread(change, entry);
    };
    change
        .prepare_cached(
            "UPDATE entries SET settled = ?2, length = ?3, modified = ?4, in_use = ?5
             WHERE id = ?1",
        )?
        .execute(params![
            entry,
            build.is_settled(),
            build.state.length,
            build.state.modified,
            build.state.in_use,
        ])?;
    let kept = Kept {
        change,
        entry,
        imported,
        place: &place,
    };
    kept.build(&build.rows, build.bytes, build.pinned)
}

struct Kept<'a> {
    change: &'a Transaction<'a>,
    entry: i64,
    imported: bool,
    place: &'a [u8],
}

impl Kept<'_> {
    fn build(&self, rows: &Rows, bytes: u64, pinned: bool) -> rusqlite::Result<()> {
        self.change
            .prepare_cached(
                "INSERT INTO builds VALUES (
                     ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
                     ?18, ?19, ?20, ?21, ?22, ?23, ?24)",
            )?
            .execute(params![
                self.entry,
                self.imported,
                self.place,
                rows.sid.org,
                rows.sid.repo,
                rows.sid.build,
                rows.first,
                rows.created,
                rows.start,
                rows.end,
                rows.status.as_str(),
                rows.interrupted,
                rows.refused,
                rows.branch,
                rows.commit,
                rows.commit_message,
                rows.dirty,
                rows.server,
                rows.source,
                rows.reason,
                rows.jobs.len() as i64,
                rows.failed as i64,
                bytes.cast_signed(),
                pinned,
            ])?;
        for (place, job) in (0..).zip(&rows.jobs) {
            self.job(place, job)?;
        }
        let mut add = self
            .change
            .prepare_cached("INSERT OR REPLACE INTO results VALUES (?1, ?2, ?3, ?4, ?5)")?;
        for result in &rows.results {
            let job = result.job_id.as_ref().map(JobId::as_str);
            let size = result.size.cast_signed();
            add.execute(params![
                self.entry,
                result.name,
                result.media_type,
                size,
                job
            ])?;
        }
        let words: Vec<&str> = rows.words.iter().map(String::as_str).collect();
        self.change
            .prepare_cached("INSERT INTO words (rowid, text) VALUES (?1, ?2)")?
            .execute(params![self.entry, words.join(" ")])?;
        Ok(())
    }

    fn job(&self, place: i64, job: &JobRow) -> rusqlite::Result<()> {
        let entry = self.entry;
        self.change
            .prepare_cached(
                "INSERT INTO jobs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                entry,
                place,
                job.id.as_str(),
                job.status.as_str(),
                job.start,
                job.end,
                job.attempts,
                job.reused,
                job.exit,
                job.memory_peak.cast_signed(),
                job.cpu_ms.cast_signed(),
            ])?;
        let mut add = self
            .change
            .prepare_cached("INSERT INTO commands VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
        for command in &job.commands {
            let state = &command.state;
            add.execute(params![
                entry,
                place,
                state.index as i64,
                command.line,
                state.exit,
                state.start_time,
                state.end_time,
            ])?;
        }
        let mut add = self
            .change
            .prepare_cached("INSERT INTO blobs VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        for blob in &job.blobs {
            let kind = match blob.kind {
                BlobKind::Artifact => 0,
                BlobKind::Cache => 1,
            };
            let size = blob.size.cast_signed();
            add.execute(params![entry, place, kind, blob.id, blob.path, size])?;
        }
        let mut add = self
            .change
            .prepare_cached("INSERT INTO tests VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
        for (number, test) in (0_i64..).zip(&job.tests) {
            let name = self.test_name(test)?;
            add.execute(params![
                entry,
                place,
                number,
                name,
                test.status as i64,
                test.duration,
                test.message,
            ])?;
        }
        Ok(())
    }

    /// Tests are called the same in every build: a name is kept once.
    fn test_name(&self, test: &TestCase) -> rusqlite::Result<i64> {
        let names = params![test.suite, test.class, test.name];
        let known = self
            .change
            .prepare_cached(
                "SELECT id FROM test_names WHERE suite = ?1 AND class = ?2 AND name = ?3",
            )?
            .query_row(names, |row| row.get(0))
            .optional()?;
        if let Some(id) = known {
            return Ok(id);
        }
        self.change
            .prepare_cached("INSERT INTO test_names (suite, class, name) VALUES (?1, ?2, ?3)")?
            .execute(names)?;
        Ok(self.change.last_insert_rowid())
    }
}
