//! What outlives the visit, in this browser's IndexedDB.
//!
//! In: records of songs, handles on their files, and, where a person wants it,
//! the files themselves, each under its file's key; and models of one's own. Out: the same,
//! records in portions, so that reading a thousand does not hold the page up.
//!
//! Browsers on phones close the connections of pages that have long been in the
//! background, and say so only when one is used again: then another is opened.
//!
//! IndexedDB answers by events, which are turned into futures here. A wrapper
//! crate would do the same, but tells of a transaction that was aborted (which
//! is how a full disk shows) without saying why.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use js_sys::{Array, Promise};
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    DomException, Event, File, IdbDatabase, IdbFactory, IdbKeyRange, IdbObjectStore, IdbOpenDbRequest,
    IdbRequest, IdbTransaction, IdbTransactionMode,
};

use super::browser;
use crate::library::record::{Ending, FileKey, Record};
use crate::order::order;

/// Version of the stores below.
const VERSION: u32 = 2;

/// JSON texts of [`Record`].
const RECORDS: &str = "records";

/// `FileSystemFileHandle`s.
const HANDLES: &str = "handles";

/// `File`s.
const SOUNDS: &str = "sounds";

/// Weights files of models of one's own, each under the
/// [key](crate::library::record::HeardBy::key) by which records name it.
const MODELS: &str = "models";

/// Records read at once: some milliseconds' work.
const PORTION: u32 = 12;

/// Why something is not kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum StoreProblem {
    /// The browser keeps nothing for this page: a private window, a setting.
    Absent,
    /// The browser gives no more room.
    Full,
    /// Something else, in the browser's words.
    Failed(String),
}

impl StoreProblem {
    fn of(error: &JsValue) -> Self {
        match error.dyn_ref::<DomException>() {
            Some(exception) if exception.name() == "QuotaExceededError" => Self::Full,
            _ => Self::Failed(browser::describe(error)),
        }
    }
}

/// A change of what is kept.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// A record, under its file's key: the latest replaces all before it, but that of a
    /// verdict, which another page may have kept there, and what cannot be read only by one
    /// of a verdict.
    Record(Box<Record>),
    /// A handle on the file of that key.
    Handle(String, JsValue),
    /// The file of that key itself.
    Sound(String, File),
    /// Everything under the key of that file goes.
    Forget(Arc<FileKey>),
    /// Everything goes but what is under these keys, also what other pages have put there.
    ForgetAllBut(Vec<String>),
    /// Every file goes; records and handles stay.
    ForgetSounds,
}

impl Change {
    /// Whether it takes next to no room and can be kept by every browser.
    pub(crate) fn is_light(&self) -> bool {
        !matches!(self, Self::Sound(..) | Self::Handle(..))
    }
}

/// The store, open.
#[derive(Clone)]
pub(crate) struct Store {
    database: Rc<RefCell<IdbDatabase>>,
}

impl Store {
    /// Opens the store of this page's folder; several such pages may live on one
    /// origin.
    ///
    /// # Errors
    /// [`StoreProblem`].
    pub(crate) async fn open() -> Result<Self, StoreProblem> {
        Ok(Self { database: Rc::new(RefCell::new(connect().await?)) })
    }

    /// Does something, over another connection where that fails.
    async fn attempt<T>(
        &self,
        act: impl AsyncFn(IdbDatabase) -> Result<T, JsValue>,
    ) -> Result<T, StoreProblem> {
        let database = self.database.borrow().clone();
        let problem = match act(database).await {
            Ok(done) => return Ok(done),
            Err(error) => StoreProblem::of(&error),
        };
        if problem == StoreProblem::Full {
            return Err(problem);
        }
        let Ok(another) = connect().await else { return Err(problem) };
        // Whatever is still going on over the one before is brought to its end.
        self.database.replace(another.clone()).close();
        act(another).await.map_err(|error| StoreProblem::of(&error))
    }

    /// Makes changes, all or none.
    ///
    /// # Errors
    /// [`StoreProblem`].
    pub(crate) async fn change(&self, changes: &[Change]) -> Result<(), StoreProblem> {
        self.attempt(async |database| {
            let stores = Array::of3(&RECORDS.into(), &HANDLES.into(), &SOUNDS.into());
            let transaction =
                database.transaction_with_str_sequence_and_mode(&stores, IdbTransactionMode::Readwrite)?;
            let end = end_of(&transaction);
            let make_all = async {
                let mut heard = heard_among(&transaction, changes).await?;
                changes.iter().try_for_each(|change| make(&transaction, change, &mut heard))
            };
            if let Err(error) = make_all.await {
                // One that has ended by itself cannot be aborted, and need not be.
                let _ = transaction.abort();
                return Err(error);
            }
            end.await.map(drop)
        })
        .await
    }

    /// The records whose keys come after `after`, a portion of them, and the key
    /// to go on after; `None` behind the last. What cannot be read is left out,
    /// and left where it is until there is a verdict: a later version of the page may have
    /// written it.
    ///
    /// # Errors
    /// [`StoreProblem`].
    pub(crate) async fn records(
        &self,
        after: Option<&str>,
    ) -> Result<(Vec<Record>, Option<String>), StoreProblem> {
        let read = async |database: IdbDatabase| {
            let store = store(&database, RECORDS)?;
            let (keys, texts) = match after {
                Some(after) => {
                    let range = IdbKeyRange::lower_bound_with_open(&after.into(), true)?;
                    (
                        store.get_all_keys_with_key_and_limit(&range, PORTION)?,
                        store.get_all_with_key_and_limit(&range, PORTION)?,
                    )
                }
                None => (
                    store.get_all_keys_with_key_and_limit(&JsValue::UNDEFINED, PORTION)?,
                    store.get_all_with_key_and_limit(&JsValue::UNDEFINED, PORTION)?,
                ),
            };
            let (keys, texts) = (answer(&keys), answer(&texts));
            Ok::<_, JsValue>((keys.await?.unchecked_into::<Array>(), texts.await?.unchecked_into::<Array>()))
        };
        let (keys, texts) = self.attempt(read).await?;
        let record = |text: JsValue| serde_json::from_str(&text.as_string()?).ok();
        Ok((texts.iter().filter_map(record).collect(), keys.pop().as_string()))
    }

    /// The models' files with their keys, in the order in which they came. None is read for that.
    ///
    /// # Errors
    /// [`StoreProblem`].
    pub(crate) async fn models(&self) -> Result<Vec<(String, File)>, StoreProblem> {
        let read = async |database: IdbDatabase| {
            let store = store(&database, MODELS)?;
            let (keys, files) = (answer(&store.get_all_keys()?), answer(&store.get_all()?));
            Ok::<_, JsValue>((keys.await?.unchecked_into::<Array>(), files.await?.unchecked_into::<Array>()))
        };
        let (keys, files) = self.attempt(read).await?;
        let models: Vec<(String, File)> = keys
            .iter()
            .zip(files.iter())
            .filter_map(|(key, file)| Some((key.as_string()?, file.dyn_into().ok()?)))
            .collect();
        let came = |place: usize| models[place].1.last_modified();
        let order = order(models.len(), &|a, b| came(a).total_cmp(&came(b)));
        Ok(order.into_iter().map(|place| models[place].clone()).collect())
    }

    /// Keeps a model under that key, or none any more.
    ///
    /// # Errors
    /// [`StoreProblem`].
    pub(crate) async fn set_model(&self, key: &str, file: Option<&File>) -> Result<(), StoreProblem> {
        self.attempt(async |database| {
            let transaction =
                database.transaction_with_str_and_mode(MODELS, IdbTransactionMode::Readwrite)?;
            let end = end_of(&transaction);
            let store = transaction.object_store(MODELS)?;
            match file {
                Some(file) => store.put_with_key(file, &key.into())?,
                None => store.delete(&key.into())?,
            };
            end.await.map(drop)
        })
        .await
    }

    /// Whether there is a record under that key.
    ///
    /// # Errors
    /// [`StoreProblem`].
    pub(crate) async fn has(&self, key: &str) -> Result<bool, StoreProblem> {
        Ok(self.get(RECORDS, key).await?.is_some())
    }

    /// The handle on the file of that key, where one is kept.
    ///
    /// # Errors
    /// [`StoreProblem`].
    pub(crate) async fn handle(&self, key: &str) -> Result<Option<JsValue>, StoreProblem> {
        self.get(HANDLES, key).await
    }

    /// The file of that key, where it is kept.
    ///
    /// # Errors
    /// [`StoreProblem`].
    pub(crate) async fn sound(&self, key: &str) -> Result<Option<File>, StoreProblem> {
        Ok(self.get(SOUNDS, key).await?.and_then(|file| file.dyn_into().ok()))
    }

    async fn get(&self, name: &str, key: &str) -> Result<Option<JsValue>, StoreProblem> {
        let value = self.attempt(async |database| {
            let request = store(&database, name)?.get(&key.into())?;
            answer(&request).await
        });
        Ok(Some(value.await?).filter(|value| !value.is_undefined()))
    }
}

/// The store of that name, to read.
fn store(database: &IdbDatabase, name: &str) -> Result<IdbObjectStore, JsValue> {
    database.transaction_with_str(name)?.object_store(name)
}

/// A connection to the store of this page's folder; several such pages may live on one origin.
async fn connect() -> Result<IdbDatabase, StoreProblem> {
    let factory = browser::property(&leptos::prelude::window(), "indexedDB")
        .dyn_into::<IdbFactory>()
        .map_err(|_| StoreProblem::Absent)?;
    let name = format!("needledrop {}", browser::folder());
    let request = factory.open_with_u32(&name, VERSION).map_err(|_| StoreProblem::Absent)?;
    let asked = request.clone();
    let upgrade = Closure::once_into_js(move || create_stores(&asked));
    request.set_onupgradeneeded(Some(upgrade.unchecked_ref()));
    // What a browser that keeps nothing says here differs from one to the next.
    let database = answer(&request).await.map_err(|_| StoreProblem::Absent)?;
    let database: IdbDatabase = database.unchecked_into();
    // A later version of the page, in another tab, may need stores of its own.
    let open = database.clone();
    let close = Closure::once_into_js(move || open.close());
    database.set_onversionchange(Some(close.unchecked_ref()));
    Ok(database)
}

fn create_stores(request: &IdbOpenDbRequest) {
    let Ok(database) = request.result() else { return };
    let database: IdbDatabase = database.unchecked_into();
    for name in [RECORDS, HANDLES, SOUNDS, MODELS] {
        // One that is there already stays.
        let _ = database.create_object_store(name);
    }
}

/// Of the files whose records shall be replaced by such without a verdict, the keys of those
/// that have one, or what cannot be read and may be one.
async fn heard_among(transaction: &IdbTransaction, changes: &[Change]) -> Result<Vec<String>, JsValue> {
    let store = transaction.object_store(RECORDS)?;
    let mut heard = Vec::new();
    for change in changes {
        let Change::Record(record) = change else { continue };
        let key = record.file.text();
        if record.ending == Ending::Done {
            continue;
        }
        let there = answer(&store.get(&key.as_str().into())?).await?;
        let read: Option<Record> = there.as_string().and_then(|text| serde_json::from_str(&text).ok());
        if !there.is_undefined() && read.is_none_or(|read| read.ending == Ending::Done) {
            heard.push(key);
        }
    }
    Ok(heard)
}

fn make(transaction: &IdbTransaction, change: &Change, heard: &mut Vec<String>) -> Result<(), JsValue> {
    let put = |store: &str, value: &JsValue, key: &str| {
        transaction.object_store(store)?.put_with_key(value, &key.into()).map(drop)
    };
    match change {
        Change::Record(record) if record.ending != Ending::Done && heard.contains(&record.file.text()) => {
            Ok(())
        }
        Change::Record(record) => {
            if record.ending == Ending::Done {
                heard.push(record.file.text());
            }
            // Its texts and numbers have a JSON form.
            let text = serde_json::to_string(record).unwrap_or_default();
            put(RECORDS, &text.into(), &record.file.text())
        }
        Change::Handle(key, handle) => put(HANDLES, handle, key),
        Change::Sound(key, file) => put(SOUNDS, file, key),
        Change::Forget(file) => {
            let key = file.text();
            heard.retain(|heard| *heard != key);
            let key = key.into();
            [RECORDS, HANDLES, SOUNDS]
                .into_iter()
                .try_for_each(|store| transaction.object_store(store)?.delete(&key).map(drop))
        }
        Change::ForgetAllBut(keys) => {
            heard.retain(|key| keys.contains(key));
            let ranges = around(keys)?;
            [RECORDS, HANDLES, SOUNDS].into_iter().try_for_each(|store| {
                let store = transaction.object_store(store)?;
                ranges.iter().try_for_each(|range| store.delete(range).map(drop))
            })
        }
        Change::ForgetSounds => transaction.object_store(SOUNDS)?.clear().map(drop),
    }
}

/// All that lies before, between and behind some keys.
fn around(keys: &[String]) -> Result<Vec<JsValue>, JsValue> {
    // As IndexedDB sorts them.
    let order = order(keys.len(), &|a, b| keys[a].encode_utf16().cmp(keys[b].encode_utf16()));
    let mut keys: Vec<&String> = order.into_iter().map(|place| &keys[place]).collect();
    keys.dedup();
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else {
        return Ok(vec![IdbKeyRange::lower_bound(&"".into())?.into()]);
    };
    let mut ranges = vec![
        IdbKeyRange::upper_bound_with_open(&first.as_str().into(), true)?.into(),
        IdbKeyRange::lower_bound_with_open(&last.as_str().into(), true)?.into(),
    ];
    for pair in keys.windows(2) {
        let [from, to] = [pair[0], pair[1]].map(|key| JsValue::from(key.as_str()));
        ranges.push(IdbKeyRange::bound_with_lower_open_and_upper_open(&from, &to, true, true)?.into());
    }
    Ok(ranges)
}

/// What a request gives, from this call on whether or not it is awaited yet.
fn answer(request: &IdbRequest) -> JsFuture {
    let promise = Promise::new(&mut |give, fail| {
        let asked = request.clone();
        // One for both ends, of which there is one: what is never called is never given back.
        let ended = Closure::once_into_js(move |event: Event| {
            if event.type_() == "success" {
                return give.call1(&JsValue::UNDEFINED, &asked.result()?);
            }
            let error = asked.error()?.map_or(JsValue::UNDEFINED, JsValue::from);
            fail.call1(&JsValue::UNDEFINED, &error)
        });
        request.set_onsuccess(Some(ended.unchecked_ref()));
        request.set_onerror(Some(ended.unchecked_ref()));
    });
    JsFuture::from(promise)
}

/// Ends with the transaction: well, or with what it was aborted for.
fn end_of(transaction: &IdbTransaction) -> JsFuture {
    let promise = Promise::new(&mut |give, fail| {
        let asked = transaction.clone();
        // As with a request.
        let ended = Closure::once_into_js(move |event: Event| {
            if event.type_() == "complete" {
                return give.call0(&JsValue::UNDEFINED);
            }
            let error = asked.error().map_or(JsValue::UNDEFINED, JsValue::from);
            fail.call1(&JsValue::UNDEFINED, &error)
        });
        transaction.set_oncomplete(Some(ended.unchecked_ref()));
        transaction.set_onabort(Some(ended.unchecked_ref()));
    });
    JsFuture::from(promise)
}
