//! Calls to the store that are made now, and whose answers are awaited later or not at all: a line that waits for a disk
//! carries nothing.
//!
//! The store does things in the order in which it is asked, and it is asked as soon as a call is polled.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

/// A call that has been made. It is carried out even if nobody waits for its answer.
pub(super) enum Begun<'a, T> {
    /// The answer is there.
    Answered(T),
    /// It will be.
    UnderWay(Pin<Box<dyn Future<Output = T> + Send + 'a>>),
}

impl<'a, T> Begun<'a, T> {
    /// Makes the call.
    pub(super) async fn new(call: impl Future<Output = T> + Send + 'a) -> Self {
        let mut call: Pin<Box<dyn Future<Output = T> + Send + 'a>> = Box::pin(call);
        match poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await {
            Poll::Ready(answer) => Self::Answered(answer),
            Poll::Pending => Self::UnderWay(call),
        }
    }

    /// Waits for the answer.
    pub(super) async fn answer(self) -> T {
        match self {
            Self::Answered(answer) => answer,
            Self::UnderWay(call) => call.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn calls_are_made_in_their_order_before_any_is_answered() {
        let made = Mutex::new(Vec::new());
        let (reply, answer) = oneshot::channel();
        let call = |serial: u8, answer: Option<oneshot::Receiver<u8>>| {
            let made = &made;
            async move {
                made.lock().unwrap().push(serial);
                match answer {
                    Some(answer) => answer.await.unwrap(),
                    None => serial,
                }
            }
        };
        let first = Begun::new(call(1, Some(answer))).await;
        let second = Begun::new(call(2, None)).await;
        assert_eq!(*made.lock().unwrap(), [1, 2]);
        reply.send(7).unwrap();
        assert_eq!((first.answer().await, second.answer().await), (7, 2));
    }
}
