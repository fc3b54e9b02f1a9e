//! Every table of the journal's file, with the rule that bounds it and how it comes into a new file
//! when the old one is damaged. A table that is not listed here fails a test.

/// One table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    /// What bounds it.
    pub(super) kept: Kept,
    /// How it comes out of a damaged file.
    pub(super) carry: Carry,
}

/// What bounds a table.
#[derive(Debug)]
pub(super) enum Kept {
    /// The code that writes it replaces what it holds; why it stays small.
    #[expect(dead_code, reason = "for whoever reads the list")]
    Bounded(&'static str),
    /// Facts: acknowledged ones for `KEEP_ACKNOWLEDGED_DAYS`, others until they are acknowledged.
    Acknowledged,
    /// This statement is run now and then, beside the deletion of facts.
    Deleted(&'static str),
}

/// How the rows of a table come out of a damaged file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Carry {
    /// Made anew by the salvage.
    Anew,
    /// As they are.
    Rows,
    /// As they are, but these columns name sequences of the journal and follow the new numbers.
    Numbered(&'static [&'static str]),
    /// As they are, then this statement.
    Then(&'static str),
}

/// In the order in which they were added.
pub(super) const TABLES: &[Table] = &[
    Table {
        name: "meta",
        kept: Kept::Bounded("one row for each of a few keys"),
        carry: Carry::Anew,
    },
    Table {
        name: "journal",
        kept: Kept::Acknowledged,
        carry: Carry::Anew,
    },
    Table {
        name: "checkpoint",
        kept: Kept::Bounded("each checkpoint replaces the one before"),
        carry: Carry::Anew,
    },
    Table {
        name: "mark_of_day",
        kept: Kept::Acknowledged,
        carry: Carry::Anew,
    },
    Table {
        name: "ocpp_place",
        kept: Kept::Bounded("one row for each line"),
        carry: Carry::Numbered(&["cursor"]),
    },
    Table {
        name: "ocpp_frozen",
        kept: Kept::Bounded("one row for each line at most"),
        carry: Carry::Numbered(&["sequence"]),
    },
    Table {
        // A row goes when its stop is answered. Those of starts or stops that the central system
        // refused for good stay: of these the newest, and with them every one that still runs.
        name: "ocpp_transaction",
        kept: Kept::Deleted(
            "DELETE FROM ocpp_transaction WHERE session IN (
               SELECT session FROM (
                 SELECT session, row_number() OVER (PARTITION BY charge_point ORDER BY session DESC) AS place
                 FROM ocpp_transaction) WHERE place > 200)",
        ),
        carry: Carry::Rows,
    },
    Table {
        name: "ocpp_set_aside",
        kept: Kept::Deleted(
            "DELETE FROM ocpp_set_aside WHERE (charge_point, sequence) IN (
               SELECT charge_point, sequence FROM (
                 SELECT charge_point, sequence,
                   row_number() OVER (PARTITION BY charge_point ORDER BY abs(sequence) DESC) AS place
                 FROM ocpp_set_aside) WHERE place > 1000)",
        ),
        // Their facts are not in the new journal: a negative number names one of an older journal.
        carry: Carry::Then("UPDATE ocpp_set_aside SET sequence = -abs(sequence)"),
    },
    Table {
        name: "ocpp_configuration",
        kept: Kept::Bounded("one row for each key that a central system may change"),
        carry: Carry::Rows,
    },
    Table {
        name: "ocpp_profile",
        kept: Kept::Bounded("the set of a charge point is replaced as a whole, and bounded"),
        carry: Carry::Rows,
    },
    Table {
        name: "ocpp_security_event",
        kept: Kept::Bounded("the oldest gives way"),
        carry: Carry::Rows,
    },
    Table {
        name: "ocpp_list_version",
        kept: Kept::Bounded("one row for each charge point"),
        carry: Carry::Rows,
    },
    Table {
        name: "ocpp_list",
        kept: Kept::Bounded("a list has a greatest length, and a new one replaces it"),
        carry: Carry::Rows,
    },
    Table {
        name: "ocpp_cache",
        kept: Kept::Bounded("the tag that was seen longest ago gives way"),
        carry: Carry::Rows,
    },
    Table {
        name: "ocpp_line",
        kept: Kept::Bounded(
            "where a charge point is, and a few places that it has left and still owes",
        ),
        carry: Carry::Rows,
    },
    Table {
        name: "ocpp_stretch",
        kept: Kept::Bounded("a row for each move, until the lines before it are forgotten"),
        carry: Carry::Numbered(&["begins"]),
    },
];

/// What goes by the tables' rules; how many rows that were.
pub(super) fn delete_old(db: &rusqlite::Connection) -> rusqlite::Result<usize> {
    let mut deleted = 0;
    for table in TABLES {
        if let Kept::Deleted(sql) = table.kept {
            deleted += db.execute(sql, [])?;
        }
    }
    Ok(deleted)
}
