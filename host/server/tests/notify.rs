//! What people are told, by a courier over a clock that moves when told to, a receiver of webhooks that fails first, and
//! a mail server in this process. (tests/tests/notifications.rs has a real one.)
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::ManualClock;
use gatehouse_core::approval::{Delivery, Notice, NoticeKind};
use gatehouse_core::ports::{ChangeSet, Clock, Store, Versioned};
use gatehouse_core::{AppId, Operation, RequestId, Subject, User, UserId};
use gatehouse_server::notify::{Channels, Courier, Encryption, Mail, MailConfig, Webhook, signature};
use gatehouse_store::MemoryStore;
use jiff::SignedDuration;
use secrecy::SecretString;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A receiver on a free port that answers these statuses, one a call, and hands over what it got: headers and body.
fn receiver(statuses: &'static [&'static str]) -> (String, Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (got, gets) = channel();
    std::thread::spawn(move || {
        for status in statuses {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
            }
            let length = header(&head, "content-length").parse().unwrap();
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
            got.send((head, String::from_utf8(body).unwrap())).unwrap();
        }
    });
    (url, gets)
}

fn header<'h>(head: &'h str, name: &str) -> &'h str {
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.find(|(found, _)| found.eq_ignore_ascii_case(name)).unwrap().1
}

/// A mail server on a free port, as far as RFC 5321 asks of one, that refuses so many mails first.
fn mail_server(refuses: usize) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (got, gets) = channel();
    std::thread::spawn(move || {
        let mut left = refuses;
        while let Ok((stream, _)) = listener.accept() {
            // Whoever asked has gone: the test is over.
            if converse(stream, &mut left, &got).is_err() {
                continue;
            }
        }
    });
    (port, gets)
}

fn converse(stream: TcpStream, refuses: &mut usize, got: &Sender<String>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    writer.write_all(b"220 test\r\n")?;
    let mut line = String::new();
    let mut recipients = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
            "RCPT" if *refuses > 0 => {
                *refuses -= 1;
                writer.write_all(b"450 later\r\n")?;
            }
            "RCPT" => {
                recipients.push_str(&line);
                writer.write_all(b"250 ok\r\n")?;
            }
            "DATA" => {
                writer.write_all(b"354 go on\r\n")?;
                let mut mail = std::mem::take(&mut recipients);
                while !mail.ends_with("\r\n.\r\n") {
                    reader.read_line(&mut mail)?;
                }
                writer.write_all(b"250 taken\r\n")?;
                got.send(mail).ok();
            }
            "QUIT" => return writer.write_all(b"221 bye\r\n"),
            _ => writer.write_all(b"250 ok\r\n")?,
        }
    }
}

/// A store with users 1 (`subject`), 2 (`ann`) and 3 (`ben`), a clock, and what is told through these channels.
struct Told {
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    courier: Courier,
}

impl Told {
    async fn by(channels: Channels) -> Self {
        let (store, clock) = (Arc::new(MemoryStore::new()), ManualClock::starting());
        let courier = Courier::new(store.clone(), clock.clone(), channels);
        let told = Self { store, clock, courier };
        let users = [(1, "subject"), (2, "ann"), (3, "ben")];
        let users = users.map(|(id, name)| Versioned::new(told.user(id, name))).into();
        told.commit(ChangeSet { users, ..ChangeSet::default() }).await;
        told
    }

    fn user(&self, id: u64, name: &str) -> User {
        User {
            id: UserId(id),
            username: name.to_owned(),
            email: Some(format!("{name}@example.com")),
            first_name: None,
            last_name: None,
            manager: None,
            manager_username: None,
            erased_at: None,
            profile: None,
            permission_sets: Default::default(),
            active: true,
            frozen: false,
            attributes: [("ssn".to_owned(), vec!["078-05-1120".to_owned()])].into(),
            version: 0,
            created_at: self.clock.now(),
            updated_at: self.clock.now(),
        }
    }

    async fn commit(&self, changes: ChangeSet) {
        self.store.commit(changes).await.unwrap();
    }

    /// That request `id` waits for these.
    async fn notice(&self, id: u64, to: &[u64]) {
        let to: std::collections::BTreeSet<UserId> = to.iter().copied().map(UserId).collect();
        let due = Delivery::Due { at: self.clock.now(), attempts: 0 };
        let notice = Notice {
            id: format!("UPR-{id:06}.1.1"),
            kind: NoticeKind::ApprovalAsked,
            request: RequestId(id),
            app: AppId(1),
            operation: Operation::Create,
            subject: Subject::User(UserId(1)),
            mail_to: to.clone(),
            to,
            reason: None,
            deadline: None,
            at: self.clock.now(),
            webhook: due,
            mail: due,
        };
        self.commit(ChangeSet { notices: vec![notice], ..ChangeSet::default() }).await;
    }

    async fn left(&self) -> usize {
        self.store.notices("2999-01-01T00:00:00Z".parse().unwrap(), 99).await.unwrap().len()
    }
}

fn webhook(url: &str) -> Channels {
    Channels { webhook: Some(Webhook::new(url, SecretString::from(SECRET.to_owned())).unwrap()), ..Channels::default() }
}

fn mail(port: u16, digest_minutes: i64) -> Channels {
    let mail = Mail::new(MailConfig {
        host: "127.0.0.1".to_owned(),
        port: Some(port),
        encryption: Encryption::None,
        credentials: None,
        from: "Gatehouse <gatehouse@example.com>".to_owned(),
    });
    let digest = SignedDuration::from_mins(digest_minutes);
    Channels { mail: Some(mail.unwrap()), digest, ..Channels::default() }
}

#[tokio::test]
async fn a_webhook_that_is_not_taken_is_sent_again_with_the_same_id_signed_anew() {
    let (url, gets) = receiver(&["500 Oops", "302 Found\r\nlocation: http://127.0.0.1:1/", "204 No Content"]);
    let told = Told::by(webhook(&url)).await;
    told.notice(7, &[2, 3]).await;
    told.courier.round().await.unwrap();
    let (first, body) = gets.recv().unwrap();
    assert_eq!(told.left().await, 1);
    told.courier.round().await.unwrap();
    assert!(gets.try_recv().is_err(), "it waits first");
    told.clock.advance(10);
    told.courier.round().await.unwrap();
    gets.recv().unwrap();
    assert_eq!(told.left().await, 1, "a redirect is not followed, and is no answer");
    told.clock.advance(20);
    told.courier.round().await.unwrap();
    let (last, again) = gets.recv().unwrap();
    assert_eq!(told.left().await, 0);
    assert_eq!((header(&first, "webhook-id"), &body), (header(&last, "webhook-id"), &again));
    assert_ne!(header(&first, "webhook-timestamp"), header(&last, "webhook-timestamp"));
    let secret = SecretString::from(SECRET.to_owned());
    let wanted = signature(&secret, "UPR-000007.1.1", told.clock.now(), &again).unwrap();
    assert_eq!(header(&last, "webhook-signature"), wanted);
    let said: serde_json::Value = serde_json::from_str(&again).unwrap();
    assert_eq!(said["type"], "request.approval_asked");
    assert_eq!(said["data"]["to"], serde_json::json!(["ann", "ben"]));
    assert!(!again.contains("078-05-1120") && !again.contains("example.com"), "{again}");
}

#[tokio::test]
async fn many_requests_become_one_mail_to_each_person_once_the_window_ends() {
    let (port, gets) = mail_server(0);
    let told = Told::by(mail(port, 15)).await;
    told.notice(1, &[2]).await;
    told.courier.round().await.unwrap();
    told.clock.advance(14 * 60);
    told.notice(2, &[2, 3]).await;
    told.courier.round().await.unwrap();
    assert!(gets.try_recv().is_err(), "the window has not ended");
    told.clock.advance(60);
    told.courier.round().await.unwrap();
    let to_ann = gets.recv().unwrap();
    assert!(to_ann.contains("<ann@example.com>") && to_ann.contains("Gatehouse: 2 requests"), "{to_ann}");
    assert!(to_ann.contains("UPR-000001") && to_ann.contains("UPR-000002"), "{to_ann}");
    assert!(gets.try_recv().is_err(), "ben's window has not ended");
    told.clock.advance(14 * 60);
    told.courier.round().await.unwrap();
    let to_ben = gets.recv().unwrap();
    assert!(to_ben.contains("<ben@example.com>") && !to_ben.contains("UPR-000001"), "{to_ben}");
    assert!(!to_ben.contains("078-05-1120"));
    assert_eq!(told.left().await, 0);
    told.clock.advance(3600);
    told.courier.round().await.unwrap();
    assert!(gets.try_recv().is_err(), "each once");
}

#[tokio::test]
async fn a_mail_that_is_refused_is_sent_again_to_whom_it_did_not_reach() {
    let (port, gets) = mail_server(1);
    let told = Told::by(mail(port, 0)).await;
    told.notice(1, &[2, 3]).await;
    told.courier.round().await.unwrap();
    assert!(gets.recv().unwrap().contains("<ben@example.com>"), "ann's was refused");
    assert_eq!(told.left().await, 1);
    told.clock.advance(10);
    told.courier.round().await.unwrap();
    assert!(gets.recv().unwrap().contains("<ann@example.com>"));
    assert!(gets.try_recv().is_err());
    assert_eq!(told.left().await, 0);
}

#[tokio::test]
async fn what_no_channel_takes_is_not_kept_and_what_nobody_takes_is_given_up_and_recorded() {
    let told = Told::by(Channels::default()).await;
    told.notice(1, &[2]).await;
    told.courier.round().await.unwrap();
    assert_eq!(told.left().await, 0);
    // Nobody listens there: a port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let told = Told::by(webhook(&format!("http://127.0.0.1:{port}/"))).await;
    told.notice(1, &[2]).await;
    for _ in 0..24 {
        told.courier.round().await.unwrap();
        told.clock.advance(6 * 3600);
    }
    assert_eq!(told.left().await, 0);
    let audit = told.store.audit(None, 9).await.unwrap().items;
    assert_eq!(audit.iter().filter(|record| record.action == "notice.given_up").count(), 1);
}
