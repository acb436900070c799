//! `futures`: prints the bytes of what a program keeps in RAM.

#![no_std]
#![no_main]

use core::convert::Infallible;
use core::mem::size_of;

use embassy_executor::Spawner;
use embassy_net::Stack;
use embedded_io_async::{ErrorType, Read, Write};
use sortie_core::Task;
use sortie_embassy::{
    BodyLength, Config, ControlBlock, Request, Resources, Schedule, Session, Url,
};
use sortie_firmware::board::{self, host, stack};
use sortie_firmware::net;
use sortie_firmware::report::{self, Line};
use static_cell::StaticCell;

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    board::start();
    let Some(stack) = net::start(spawner) else { host::exit(false) };
    stack::paint();
    report::finish(run(stack).is_some())
}

fn run(stack: Stack<'static>) -> Option<()> {
    static RESOURCES: StaticCell<Resources<1, 64>> = StaticCell::new();

    let session = Session::new(stack, RESOURCES.init_with(Resources::new), Config::default());
    let url = Url::parse("http://10.0.2.2/").ok()?;
    let request = Request::new("GET", url, &[], BodyLength::None).ok()?;
    let mut blocks = [const { ControlBlock::new() }; 2];
    let [first, second] = &mut blocks;
    let (mut one, _) = first.split();
    let (mut two, _) = second.split();
    let (mut content, mut stage) = ([0; 8], [0; 8]);

    of::<Task>(b"`Task` of the core");
    of::<Session<'_, 1>>(b"`Session` of one connection");
    of::<Session<'_, 2>>(b"`Session` of two");
    of::<Schedule<1>>(b"`Schedule` for one connection");
    of::<ControlBlock>(b"`ControlBlock`");
    let task = session.data_task(&request);
    line(b"future of `DataTask::receive`", size_of_val(&task.receive(&mut content)));
    let task = session.data_task(&request).control(&mut one);
    line(b"the same under a lent `ControlBlock`", size_of_val(&task.receive(&mut content)));
    line(b"future of `DataTask::open`", size_of_val(&session.data_task(&request).open()));
    let task = session.data_task(&request).control(&mut two);
    line(b"the same under a lent `ControlBlock`", size_of_val(&task.open()));
    let (mut sink, mut reader) = (Sink, Empty);
    let download = session.download_task(&request).to(&mut sink);
    line(b"future of a download to a sink", size_of_val(&download));
    let upload = session.upload_task(&request, &[]);
    line(b"future of an upload from memory", size_of_val(&upload.receive(&mut content)));
    let upload = session.upload_task(&request, &[]).from_reader(&mut reader, &mut stage);
    line(b"future of an upload from a reader", size_of_val(&upload.receive(&mut content)));
    Some(())
}

fn of<T>(what: &[u8]) {
    line(what, size_of::<T>());
}

fn line(what: &[u8], bytes: usize) {
    Line::new().text(b"size ").text(what).text(b" ").decimal(bytes as u32).print();
}

/// Takes everything.
struct Sink;

impl ErrorType for Sink {
    type Error = Infallible;
}

impl Write for Sink {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Has nothing.
struct Empty;

impl ErrorType for Empty {
    type Error = Infallible;
}

impl Read for Empty {
    async fn read(&mut self, _: &mut [u8]) -> Result<usize, Infallible> {
        Ok(0)
    }
}
