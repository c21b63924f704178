//! Client of a ctdbd socket for tests and measurements; one line of JSON per run.

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ctdb_itests::client::{
    Client, ClientError, Crowd, Db, DbKind, Ended, GLock, Loop, LoopReport, Ring, RingReport,
    Turns, load, mean_ms, percentile_ms, transact,
};
use ctdb_itests::history::{Operation, Plan, Store, values};
use ctdb_protocol::client::{Opcode, Payload, pnn};
use serde_json::{Value, json};

const USAGE: &str = "usage:
  ctdb-client counter SOCKET DB KEY COUNT [PAUSE_US]
      adds 1 to a record of 8 bytes, COUNT times; a pause between lets other nodes have it
  ctdb-client turns SOCKET DB KEY SECONDS HOLD_US PAUSE_US
      the same again and again, keeping the lock for a while: how long each turn is waited for
  ctdb-client abandon SOCKET DB KEY LINGER_MS
      locks a record, closes the file with the lock held, ends after a while
  ctdb-client read SOCKET DB KEY
      reads such a record
  ctdb-client readonly SOCKET DB KEY
      the same from a read-only copy, if this node can have one
  ctdb-client delete SOCKET DB KEY
      deletes a record
  ctdb-client raw SOCKET DB KEY [HEX]
      puts these bytes in the place of a record and its header in the local file, and tells nobody; none: deletes it
  ctdb-client transactions SOCKET DB persistent|replicated KEY COUNT
      adds 1 to two records of 8 bytes, KEY and KEY.twin, in one transaction, COUNT times
  ctdb-client fetch-ring SOCKET DB NODES SECONDS
  ctdb-client message-ring SOCKET NODES SECONDS
      run one on each node: they wait for each other
  ctdb-client g-lock-loop SOCKET NODES SECONDS
      the same: takes one lock of g_lock.tdb and gives it back, again and again
  ctdb-client transaction-loop SOCKET DB NODES SECONDS
      the same: transactions as above on one persistent database
  ctdb-client fetch-readonly-loop SOCKET DB NODES SECONDS [WRITE_MS]
      the same: locks a record that this node has or has a copy of; every WRITE_MS node 0 changes it instead
  ctdb-client fill SOCKET DB PREFIX COUNT BYTES
      makes COUNT records here
  ctdb-client count SOCKET DB PREFIX
      counts the records of the local file whose keys begin so
  ctdb-client probe SOCKET DB SECONDS
      changes records that the probes of all nodes want; how long that took at most
  ctdb-client crowd SOCKET DB PREFIX RECORDS CLIENTS ACTIVE SECONDS REST_MS
      CLIENTS connect and attach, ACTIVE of them ask for something with a rest between; RECORDS that another node has
  ctdb-client history SOCKET DB volatile|persistent PREFIX RECORDS SECONDS NUMBER SEED
      changes and reads counters and registers, whatever becomes of the daemon: what was done
  ctdb-client history-values SOCKET DB volatile|persistent PREFIX RECORDS
      what stands in them
  ctdb-client control SOCKET OPCODE [HEX [PNN]]
      opcode: number or name; sent to the own node unless a pnn is given
  ctdb-client controls SOCKET SIZE… -- NAME…
      all of 4.17's controls but those of these names, with so many bytes of no meaning: the status of each";

/// How long one lock of the loop may take.
const LOCK_LIMIT: Duration = Duration::from_secs(60);

/// How long a control without a meaning may go unanswered.
const CONTROL_LIMIT: Duration = Duration::from_secs(3);
/// The last control that 4.17 has.
const LAST_CONTROL: Opcode = Opcode::EnableNode;

type Outcome = Result<Value, Box<dyn Error>>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args) {
        Ok(line) => {
            println!("{line}");
            // What a counter did before it failed is part of its result.
            if line["error"].is_string() && line["increments"].is_u64() {
                return ExitCode::FAILURE;
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("ctdb-client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> Outcome {
    match *args {
        ["counter", socket, db, key, count] => {
            counter(socket, db, key, count.parse()?, Duration::ZERO)
        }
        ["counter", socket, db, key, count, pause_us] => counter(
            socket,
            db,
            key,
            count.parse()?,
            Duration::from_micros(pause_us.parse()?),
        ),
        ["turns", socket, db, key, seconds, hold_us, pause_us] => {
            let turns = Turns {
                duration: Duration::from_secs(seconds.parse()?),
                hold: Duration::from_micros(hold_us.parse()?),
                pause: Duration::from_micros(pause_us.parse()?),
            };
            turns_line(socket, db, key, turns)
        }
        ["abandon", socket, db, key, linger_ms] => {
            let linger = Duration::from_millis(linger_ms.parse()?);
            let mut client = Client::connect(socket)?;
            let db = client.attach(db)?;
            let locked = || println!("{}", json!({ "pid": std::process::id() }));
            match db.abandon(key.as_bytes(), locked, linger)? {}
        }
        ["readonly", socket, db, key] => read_copy(socket, db, key),
        ["delete", socket, db, key] => delete(socket, db, key),
        ["raw", socket, db, key] => raw(socket, db, key, None),
        ["raw", socket, db, key, data] => raw(socket, db, key, Some(data)),
        ["read", socket, db, key] => read(socket, db, key),
        ["transactions", socket, db, "persistent", key, count] => {
            transactions(socket, db, DbKind::Persistent, key, count.parse()?)
        }
        ["transactions", socket, db, "replicated", key, count] => {
            transactions(socket, db, DbKind::Replicated, key, count.parse()?)
        }
        ["fetch-ring", socket, db, nodes, seconds] => fetch_ring(socket, db, ring(nodes, seconds)?),
        ["message-ring", socket, nodes, seconds] => message_ring(socket, ring(nodes, seconds)?),
        ["g-lock-loop", socket, nodes, seconds] => g_lock_loop(socket, ring(nodes, seconds)?),
        ["transaction-loop", socket, db, nodes, seconds] => {
            transaction_loop(socket, db, ring(nodes, seconds)?)
        }
        ["fetch-readonly-loop", socket, db, nodes, seconds] => {
            readonly_loop(socket, db, ring(nodes, seconds)?, None)
        }
        ["fetch-readonly-loop", socket, db, nodes, seconds, write_ms] => {
            let pause = Duration::from_millis(write_ms.parse()?);
            readonly_loop(socket, db, ring(nodes, seconds)?, Some(pause))
        }
        ["fill", socket, db, prefix, count, bytes] => {
            fill(socket, db, prefix, count.parse()?, bytes.parse()?)
        }
        ["count", socket, db, prefix] => count(socket, db, prefix),
        ["probe", socket, db, seconds] => {
            probe(socket, db, Duration::from_secs_f64(seconds.parse()?))
        }
        ["crowd", ..] => crowd(args),
        ["history" | "history-values", ..] => history(args),
        ["controls", socket, ref rest @ ..] => controls(socket, rest),
        ["control", socket, opcode] => control(socket, opcode, "", pnn::CURRENT),
        ["control", socket, opcode, data] => control(socket, opcode, data, pnn::CURRENT),
        ["control", socket, opcode, data, node] => control(socket, opcode, data, node.parse()?),
        _ => Err(USAGE.into()),
    }
}

fn history(args: &[&str]) -> Outcome {
    match *args {
        [
            "history",
            socket,
            db,
            kind,
            prefix,
            records,
            seconds,
            number,
            seed,
        ] => {
            let plan = Plan {
                duration: Duration::from_secs_f64(seconds.parse()?),
                number: number.parse()?,
                seed: seed.parse()?,
                ..plan(socket, db, kind, prefix, records)?
            };
            Ok(plan.work().iter().map(Operation::to_json).collect())
        }
        ["history-values", socket, db, kind, prefix, records] => {
            let values = values(&plan(socket, db, kind, prefix, records)?)?;
            Ok(values
                .into_iter()
                .map(|(key, token)| (key, Value::from(token)))
                .collect())
        }
        _ => Err(USAGE.into()),
    }
}

/// What all of a history's clients have in common.
fn plan(
    socket: &str,
    db: &str,
    kind: &str,
    prefix: &str,
    records: &str,
) -> Result<Plan, Box<dyn Error>> {
    Ok(Plan {
        socket: socket.into(),
        db: db.into(),
        store: match kind {
            "volatile" => Store::Volatile,
            "persistent" => Store::Persistent,
            _ => return Err(USAGE.into()),
        },
        prefix: prefix.into(),
        records: records.parse()?,
        duration: Duration::ZERO,
        number: 0,
        seed: 0,
    })
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn counter(socket: &str, db: &str, key: &str, count: u64, pause: Duration) -> Outcome {
    let mut client = Client::connect(socket)?;
    let mut db = client.attach(db)?;
    let start = Instant::now();
    let mut value = 0;
    let mut migrations = 0;
    let mut done = 0;
    let mut failure = None;
    while done < count {
        let mut damaged = None;
        let update = db.fetch_lock(key.as_bytes(), |old| {
            value = match old {
                [] => 1,
                _ => match u64::parse(old) {
                    Ok(old) => old + 1,
                    Err(error) => {
                        damaged = Some(error);
                        return old.to_vec();
                    }
                },
            };
            value.to_bytes()
        });
        if let Some(error) = damaged {
            return Err(format!("record {key} holds no counter: {error}").into());
        }
        match update {
            Ok(update) => migrations += u64::from(update.migrations),
            Err(error) => {
                failure = Some(error.to_string());
                break;
            }
        }
        done += 1;
        if !pause.is_zero() {
            std::thread::sleep(pause);
        }
    }
    let elapsed_s = start.elapsed().as_secs_f64();
    Ok(json!({
        "pnn": client.pnn(), "increments": done, "value": value, "migrations": migrations,
        "error": failure, "elapsed_s": elapsed_s, "per_s": done as f64 / elapsed_s,
    }))
}

fn turns_line(socket: &str, db: &str, key: &str, turns: Turns) -> Outcome {
    let mut client = Client::connect(socket)?;
    let mut db = client.attach(db)?;
    let report = turns.run(&mut db, key.as_bytes())?;
    Ok(json!({
        "pnn": client.pnn(), "turns": report.waits.len(), "migrations": report.migrations,
        "elapsed_s": report.elapsed.as_secs_f64(),
        "all": waits(&report.waits), "fetched": waits(&report.fetches),
    }))
}

fn crowd(args: &[&str]) -> Outcome {
    let [
        _,
        socket,
        db,
        prefix,
        records,
        clients,
        active,
        seconds,
        rest_ms,
    ] = *args
    else {
        return Err(USAGE.into());
    };
    let crowd = Crowd {
        socket: socket.into(),
        db: db.into(),
        prefix: prefix.into(),
        records: records.parse()?,
        clients: clients.parse()?,
        active: active.parse()?,
        duration: Duration::from_secs_f64(seconds.parse()?),
        rest: Duration::from_millis(rest_ms.parse()?),
    };
    let report = crowd.run()?;
    Ok(json!({
        "connected_s": report.connected.as_secs_f64(), "before_kib": report.before_kib,
        "connected_kib": report.connected_kib, "worked_kib": report.worked_kib, "after_kib": report.after_kib,
        "pings": waits(&report.answers.pings), "fetches": waits(&report.answers.fetches),
        "messages": waits(&report.answers.messages), "told_s": report.told.as_secs_f64(),
        "gone_s": report.gone.as_secs_f64(),
    }))
}

fn waits(waits: &[Duration]) -> Value {
    json!({
        "turns": waits.len(), "mean_ms": mean_ms(waits), "median_ms": percentile_ms(waits, 50),
        "p99_ms": percentile_ms(waits, 99), "max_ms": percentile_ms(waits, 100),
    })
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn transactions(socket: &str, db: &str, kind: DbKind, key: &str, count: u64) -> Outcome {
    let mut client = Client::connect(socket)?;
    let db = client.attach_kind(db, kind)?;
    let mut locks = GLock::attach(&mut client)?;
    let keys = [key.to_owned(), format!("{key}.twin")];
    let start = Instant::now();
    let (mut done, mut unknown, mut failure) = (0, 0, None);
    while done + unknown < count {
        match add_one(&mut client, &mut locks, &db, &keys) {
            Ok(Ended::Committed | Ended::Presumed) => done += 1,
            Ok(Ended::Unknown) => unknown += 1,
            Err(error) => {
                failure = Some(error.to_string());
                break;
            }
        }
    }
    let elapsed_s = start.elapsed().as_secs_f64();
    Ok(json!({
        "pnn": client.pnn(), "increments": done, "unknown": unknown, "error": failure,
        "elapsed_s": elapsed_s, "per_s": done as f64 / elapsed_s,
    }))
}

/// One transaction that adds 1 to both records.
fn add_one(
    client: &mut Client,
    locks: &mut GLock,
    db: &Db,
    keys: &[String; 2],
) -> Result<Ended, ClientError> {
    transact(client, locks, db, |transaction| {
        for key in keys {
            let old = transaction.read(key.as_bytes())?;
            let old = if old.is_empty() { 0 } else { u64::parse(&old)? };
            transaction.write(key.as_bytes(), &(old + 1).to_bytes())?;
        }
        Ok(())
    })
}

fn read(socket: &str, db: &str, key: &str) -> Outcome {
    let mut client = Client::connect(socket)?;
    let mut db = client.attach(db)?;
    let value = match db.fetch(key.as_bytes())? {
        Some(data) => Some(u64::parse(&data)?),
        None => None,
    };
    Ok(json!({ "pnn": client.pnn(), "value": value }))
}

fn read_copy(socket: &str, db: &str, key: &str) -> Outcome {
    let mut client = Client::connect(socket)?;
    let mut db = client.attach(db)?;
    let mut shown = Vec::new();
    let calls = db.fetch_readonly(key.as_bytes(), |data| shown = data.to_vec())?;
    let value = if shown.is_empty() {
        None
    } else {
        Some(u64::parse(&shown)?)
    };
    Ok(json!({ "pnn": client.pnn(), "value": value, "calls": calls }))
}

fn delete(socket: &str, db: &str, key: &str) -> Outcome {
    let mut client = Client::connect(socket)?;
    let mut db = client.attach(db)?;
    let update = db.fetch_lock(key.as_bytes(), |_| Vec::new())?;
    Ok(json!({ "pnn": client.pnn(), "migrations": update.migrations, "rsn": update.header.rsn }))
}

fn raw(socket: &str, db: &str, key: &str, data: Option<&str>) -> Outcome {
    let mut client = Client::connect(socket)?;
    let db = client.attach(db)?;
    let lock = db.tdb().chain_lock(key.as_bytes())?;
    match data {
        Some(data) => db.tdb().store(key.as_bytes(), &from_hex(data)?)?,
        // It may not be here.
        None => drop(db.tdb().delete(key.as_bytes())),
    }
    drop(lock);
    Ok(json!({ "pnn": client.pnn() }))
}

fn fill(socket: &str, db: &str, prefix: &str, count: u64, bytes: usize) -> Outcome {
    let mut client = Client::connect(socket)?;
    let mut db = client.attach(db)?;
    let start = Instant::now();
    load::fill(&mut db, prefix, count, bytes)?;
    let elapsed_s = start.elapsed().as_secs_f64();
    Ok(json!({ "pnn": client.pnn(), "records": count, "elapsed_s": elapsed_s }))
}

fn count(socket: &str, db: &str, prefix: &str) -> Outcome {
    let mut client = Client::connect(socket)?;
    let db = client.attach(db)?;
    let held = load::count(&client, &db, prefix)?;
    Ok(json!({ "pnn": client.pnn(), "own": held.own, "all": held.all }))
}

fn probe(socket: &str, db: &str, duration: Duration) -> Outcome {
    let mut client = Client::connect(socket)?;
    let mut db = client.attach(db)?;
    let pauses = load::probe(&mut db, client.pnn(), duration)?;
    Ok(json!({
        "pnn": client.pnn(), "updates": pauses.updates, "migrations": pauses.migrations,
        "longest_ms": pauses.longest.as_secs_f64() * 1e3,
        "longest_local_ms": pauses.longest_local.as_secs_f64() * 1e3,
    }))
}

fn ring(nodes: &str, seconds: &str) -> Result<Ring, Box<dyn Error>> {
    let nodes = nodes.parse()?;
    if nodes == 0 {
        return Err("a ring needs a node".into());
    }
    Ok(Ring {
        nodes,
        duration: Duration::from_secs(seconds.parse()?),
    })
}

fn fetch_ring(socket: &str, db: &str, ring: Ring) -> Outcome {
    let mut client = Client::connect(socket)?;
    let mut db = client.attach(db)?;
    Ok(ring_line(ring, &ring.run_fetch(&mut client, &mut db)?))
}

fn message_ring(socket: &str, ring: Ring) -> Outcome {
    let mut client = Client::connect(socket)?;
    Ok(ring_line(ring, &ring.run_messages(&mut client)?))
}

fn ring_line(ring: Ring, report: &RingReport) -> Value {
    json!({
        "pnn": report.pnn, "nodes": ring.nodes, "passes": report.passes,
        "migrations": report.migrations, "elapsed_s": report.elapsed.as_secs_f64(),
        "per_s": report.passes_per_s(),
    })
}

fn g_lock_loop(socket: &str, ring: Ring) -> Outcome {
    let mut client = Client::connect(socket)?;
    let mut locks = GLock::attach(&mut client)?;
    let report = everybody(ring).run(&mut client, |client| {
        locks.lock(client, b"testkey\0", LOCK_LIMIT)?;
        locks.unlock(b"testkey\0")
    })?;
    Ok(loop_line(&report))
}

fn transaction_loop(socket: &str, db: &str, ring: Ring) -> Outcome {
    let mut client = Client::connect(socket)?;
    let db = client.attach_kind(db, DbKind::Persistent)?;
    let mut locks = GLock::attach(&mut client)?;
    let keys = ["testkey", "testkey.twin"].map(String::from);
    let report = everybody(ring).run(&mut client, |client| {
        add_one(client, &mut locks, &db, &keys).map(|_| ())
    })?;
    Ok(loop_line(&report))
}

/// `write_pause`: node 0 changes the record so often.
fn readonly_loop(socket: &str, db: &str, ring: Ring, write_pause: Option<Duration>) -> Outcome {
    const KEY: &[u8] = b"testkey";
    let mut client = Client::connect(socket)?;
    let writes = write_pause.filter(|_| client.pnn() == 0);
    let mut db = client.attach(db)?;
    db.set_readonly()?;
    let mut last_write = Instant::now();
    let (mut written, mut calls) = (0_u64, 0_u64);
    let report = everybody(ring).run(&mut client, |_| {
        if writes.is_some_and(|pause| last_write.elapsed() >= pause) {
            written += 1;
            db.fetch_lock(KEY, |_| written.to_bytes())?;
            last_write = Instant::now();
        } else {
            calls += u64::from(db.fetch_readonly(KEY, |_| ())?);
        }
        Ok(())
    })?;
    let mut line = loop_line(&report);
    line["writes"] = written.into();
    line["calls"] = calls.into();
    Ok(line)
}

const fn everybody(ring: Ring) -> Loop {
    Loop {
        nodes: ring.nodes,
        duration: ring.duration,
    }
}

fn loop_line(report: &LoopReport) -> Value {
    json!({
        "pnn": report.pnn, "turns": report.turns, "elapsed_s": report.elapsed.as_secs_f64(),
        "per_s": report.turns_per_s(),
    })
}

fn control(socket: &str, opcode: &str, data: &str, node: u32) -> Outcome {
    let opcode = match opcode.parse() {
        Ok(number) => Opcode::from_number(number),
        Err(_) => *Opcode::ALL
            .iter()
            .find(|known| known.name().eq_ignore_ascii_case(opcode))
            .ok_or_else(|| format!("no control {opcode}"))?,
    };
    let mut client = Client::connect(socket)?;
    let reply = client.control(opcode, node, &from_hex(data)?)?;
    Ok(json!({
        "opcode": opcode.name(), "status": reply.status, "data": to_hex(&reply.data),
        "error": reply.error,
    }))
}

/// Each control has a connection of its own: one that is refused costs the connection perhaps. No answer is null.
fn controls(socket: &str, words: &[&str]) -> Outcome {
    let mut halves = words.splitn(2, |word| *word == "--");
    let (sizes, skipped) = (halves.next().ok_or(USAGE)?, halves.next().ok_or(USAGE)?);
    let mut statuses = serde_json::Map::new();
    let known = Opcode::ALL
        .iter()
        .filter(|opcode| opcode.number() <= LAST_CONTROL.number());
    for opcode in known.filter(|opcode| !skipped.contains(&opcode.name())) {
        for size in sizes {
            let name = format!("{} {size}", opcode.name());
            // The one before may have ended the daemon.
            let mut client =
                Client::connect(socket).map_err(|error| format!("before {name}: {error}"))?;
            client.set_timeout(CONTROL_LIMIT);
            let reply = client.control(*opcode, pnn::CURRENT, &vec![0xff; size.parse()?]);
            statuses.insert(name, reply.map_or(Value::Null, |reply| reply.status.into()));
        }
    }
    Ok(statuses.into())
}

fn from_hex(text: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return Err(format!("{text}: not an even number of hex digits").into());
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).map_err(Into::into))
        .collect()
}

fn to_hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('?');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}
