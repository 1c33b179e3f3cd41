//! The fault matrix: real servers, real clients, one fault each, seen from the server and from the router in front of
//! it. Rows are in matrix/matrix.txt, and the result is kept in docs/FAULT-MATRIX.md.
//!
//! What belongs here: reading, playing and telling of rows. A row more is a line in matrix/matrix.txt; a fault more is
//! made in lab/fault.rs and gets its name in matrix/rows.rs, as does a client.
//!
//! `FTPWATCH_ROWS=dropped_in_front` plays the rows of one fault, and `FTPWATCH_REPLACE_DOCS=1` writes the result to
//! docs/FAULT-MATRIX.md, once all rows were played.

mod lab;

#[path = "matrix/play.rs"]
mod play;
#[path = "matrix/rows.rs"]
mod rows;
#[path = "matrix/table.rs"]
mod table;
#[path = "matrix/verdict.rs"]
mod verdict;

#[test]
#[ignore = "needs root: cargo xtask test"]
fn every_row_is_right() {
    let chosen = std::env::var("FTPWATCH_ROWS").ok();
    let mut rows = rows::all();
    rows.retain(|row| chosen.as_ref().is_none_or(|fault| *fault == row.fault.name));
    assert!(!rows.is_empty(), "no rows of {chosen:?}");

    let results = play::all(rows);
    let wrong = table::wrong(&results);
    println!("{wrong}\n{}", table::summary(&results));
    if chosen.is_none() && std::env::var_os("FTPWATCH_REPLACE_DOCS").is_some() {
        table::write(&results);
    }
    assert!(wrong.is_empty(), "some rows are wrong");
}

#[test]
fn every_fault_meets_every_server_and_every_client() {
    rows::assert_complete(&rows::all());
}

#[test]
fn the_table_in_docs_has_these_rows() {
    table::assert_up_to_date(&rows::all());
}
