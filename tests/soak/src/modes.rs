//! What is done over and over.

use std::cell::Cell;
use std::time::Duration;

use async_executor::LocalExecutor;
use futures_lite::future;
use futures_lite::io::Cursor;
use sortie::{Error, Request, Task, UploadSource};

use crate::client::{AT_ONCE, Client};
use crate::origin::{FILE, PIECE, SMALL};
use crate::{Failure, Outcome};

/// A kind of work.
#[derive(Debug)]
pub(crate) struct Mode {
    pub(crate) name: &'static str,
    /// Requests of a whole run.
    pub(crate) count: u64,
    pub(crate) what: &'static str,
    /// Makes so many requests, and returns when none is on its way.
    pub(crate) run: fn(&Client, u64) -> Outcome,
}

pub(crate) const MODES: &[Mode] = &[
    Mode {
        name: "sequential",
        count: 1_000_000,
        what: "GETs one after another, over one connection",
        run: sequential,
    },
    Mode {
        name: "concurrent",
        count: 100_000,
        what: "GETs, 64 at once, each with its length, chunked, or redirected",
        run: concurrent,
    },
    Mode {
        name: "background",
        count: 50_000,
        what: "tasks that nobody awaits, 64 at once",
        run: background,
    },
    Mode {
        name: "closed",
        count: 20_000,
        what: "GETs on a connection each, since the server closes it",
        run: closed,
    },
    Mode {
        name: "uploads",
        count: 50_000,
        what: "bodies from bytes, from readers and from files, 16 at once",
        run: uploads,
    },
    Mode { name: "downloads", count: 5_000, what: "files, 16 at once", run: downloads },
    Mode {
        name: "cancels",
        count: 50_000,
        what: "tasks dropped, cancelled or suspended at some moment, 16 at once",
        run: cancels,
    },
];

/// Has `workers` do `job` side by side on this thread, `count` times in all; it is told which time
/// it is.
fn at_once(workers: u16, count: u64, job: impl AsyncFn(u64) -> Outcome) -> Outcome {
    let next = Cell::new(0);
    let work = async || {
        while next.get() < count {
            let number = next.replace(next.get() + 1);
            job(number).await?;
        }
        Ok::<(), Failure>(())
    };
    let executor = LocalExecutor::new();
    let workers: Vec<_> = (0..workers).map(|_| executor.spawn(work())).collect();
    async_io::block_on(executor.run(async {
        for worker in workers {
            worker.await?;
        }
        Ok(())
    }))
}

fn expect(content: &[u8], wanted: &[u8]) -> Outcome {
    match content == wanted {
        true => Ok(()),
        false => Err(format!("{} bytes of other content came", content.len()).into()),
    }
}

fn sequential(client: &Client, count: u64) -> Outcome {
    let url = client.url("");
    (0..count).try_for_each(|_| expect(&client.session.data_blocking(&url)?.1, SMALL))
}

fn concurrent(client: &Client, count: u64) -> Outcome {
    let urls = ["", "chunks", "", "redirect"].map(|path| client.url(path));
    at_once(AT_ONCE, count, async |number| {
        let url = &urls[number as usize % urls.len()];
        expect(&client.session.data(url).await?.1, SMALL)
    })
}

fn background(client: &Client, count: u64) -> Outcome {
    let url = client.url("");
    let at_once = u64::from(AT_ONCE);
    for begin in (0..count).step_by(usize::from(AT_ONCE)) {
        let tasks = (begin..count.min(begin + at_once)).map(|_| client.session.task(&url));
        let tasks = tasks.collect::<Result<Vec<_>, _>>()?;
        tasks.iter().for_each(Task::resume);
        for task in tasks {
            // A look from outside: it does not drive the task.
            let mut changes = task.changes();
            while changes.next_blocking().is_some() {}
            expect(&task.wait()?.1, SMALL)?;
        }
    }
    Ok(())
}

fn closed(client: &Client, count: u64) -> Outcome {
    let url = client.url("close");
    (0..count).try_for_each(|_| expect(&client.session.data_blocking(&url)?.1, SMALL))
}

fn uploads(client: &Client, count: u64) -> Outcome {
    let file = client.folder.join("body");
    std::fs::write(&file, [b'x'; FILE])?;
    let ended = at_once(16, count, async |number| {
        let body = || vec![b'x'; FILE];
        let source = match number % 4 {
            0 => UploadSource::from(body()),
            1 => UploadSource::file(&file),
            2 => UploadSource::reader(Cursor::new(body())),
            _ => UploadSource::sized_reader(Cursor::new(body()), FILE as u64),
        };
        let request = Request::new("PUT", &client.url("upload"))?;
        let (_, length) = client.session.upload(request, source).await?;
        expect(&length, FILE.to_string().as_bytes())
    });
    std::fs::remove_file(&file)?;
    ended
}

fn downloads(client: &Client, count: u64) -> Outcome {
    let url = client.url("file");
    at_once(16, count, async |number| {
        let file = client.folder.join(number.to_string());
        client.session.download(&url, &file).await?;
        expect(&std::fs::read(&file)?, &[b'x'; FILE])?;
        Ok(std::fs::remove_file(&file)?)
    })
}

/// Which is cancelled at which moment is the same in every run, as far as it is up to us.
fn cancels(client: &Client, count: u64) -> Outcome {
    let url = client.url("trickle");
    at_once(16, count, async |number| {
        let chance = random(number);
        let pause = Duration::from_micros(chance % 6000);
        let later = || async move {
            async_io::Timer::after(pause).await;
        };
        match chance >> 32 & 3 {
            // A one-liner is dropped.
            0 => {
                let get = async { client.session.data(&url).await.map(drop) };
                let give_up = async {
                    later().await;
                    Ok(())
                };
                Ok(future::or(get, give_up).await?)
            }
            // Content is read for a while.
            1 => {
                let (_, mut body) = client.session.bytes(&url).await?;
                let mut buffer = [0; PIECE];
                for _ in 0..chance % 8 {
                    body.read(&mut buffer).await?;
                }
                Ok(())
            }
            // A task that nobody awaits is suspended, resumed, and cancelled.
            2 => {
                let task = client.session.task(&url)?;
                task.resume();
                later().await;
                // It may be over.
                let _ = task.suspend();
                future::yield_now().await;
                task.resume();
                future::yield_now().await;
                task.cancel();
                ended(task.await)
            }
            // A download is cancelled.
            _ => {
                let file = client.folder.join(number.to_string());
                let task = client.session.download_task(&url).to(&file).create()?;
                task.resume();
                later().await;
                drop(task.cancel_producing_resume_data().await);
                ended(task.await)?;
                // It may have been whole by then.
                let _ = std::fs::remove_file(&file);
                Ok(())
            }
        }
    })
}

/// The task succeeded, or was cancelled.
fn ended<T>(result: Result<T, Error>) -> Outcome {
    match result {
        Err(why) if why.code() != -999 => Err(why.into()),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// SplitMix64.
fn random(number: u64) -> u64 {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}
