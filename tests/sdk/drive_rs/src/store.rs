// SPDX-License-Identifier: Apache-2.0
//! Operations of volumes, images and snapshots.

use crate::args::*;
use microsandbox::json::Value;
use microsandbox::{
    ExportOptions, Image, ImageHandle, ImageLayer, PullEvent, PullOptions, Snapshot,
    SnapshotVerifyReport, Volume,
};
use std::path::Path;
use std::sync::mpsc;

/// Kinds of events, equal ones that follow each other once.
pub fn events(all: impl IntoIterator<Item = PullEvent>) -> Vec<&'static str> {
    let mut kinds: Vec<_> = all.into_iter().map(|e| e.kind()).collect();
    kinds.dedup();
    kinds
}

fn labels(pairs: &[(String, String)]) -> Value {
    let mut v = Value::object();
    for (key, value) in pairs {
        v.set(key, value);
    }
    v
}

fn volume(volume: &Volume) -> Answer {
    let mut v = Value::object();
    v.set("name", volume.name())
        .set("path", volume.path().to_string_lossy().into_owned())
        .set("quota_mib", volume.quota_mib())
        .set("used_bytes", volume.used_bytes()?)
        .set("labels", labels(&volume.labels()))
        .set("created_ms", millis_of(volume.created_at()));
    Ok(v)
}

fn image(i: &ImageHandle) -> Value {
    let mut v = Value::object();
    v.set("reference", i.reference())
        .set("digest", i.manifest_digest())
        .set("size_bytes", i.size_bytes())
        .set("architecture", i.architecture())
        .set("os", i.os())
        .set("layer_count", i.layer_count())
        .set("created_ms", millis_of(i.created_at()))
        .set("last_used_ms", i.last_used_at().map(millis_of));
    v
}

fn layer(l: &ImageLayer) -> Value {
    let mut v = Value::object();
    v.set("diff_id", &l.diff_id).set("digest", &l.digest).set("size_bytes", l.size_bytes);
    v
}

fn snapshot(s: &Snapshot) -> Value {
    let mut v = Value::object();
    v.set("name", s.name())
        .set("digest", s.digest())
        .set("path", s.path().to_string_lossy().into_owned())
        .set("image", s.image_ref())
        .set("format", s.format())
        .set("fstype", s.fstype())
        .set("parent", s.parent())
        .set("size_bytes", s.size_bytes())
        .set("labels", labels(s.labels()))
        .set("source", s.source_sandbox());
    v
}

fn volumes(op: &str, a: Args<'_>) -> Answer {
    match op {
        "volume_create" => {
            let mut b = Volume::builder(a.text("name")?);
            if let Some(quota) = a.int_or::<u64>("quota_mib")? {
                b = b.quota(quota);
            }
            for (key, value) in a.pairs("labels")? {
                b = b.label(key, value);
            }
            volume(&b.create()?)
        }
        "volume_get" => volume(&Volume::get(a.text("name")?)?),
        "volume_list" => Ok(Volume::list()?.iter().map(volume).collect::<Answer<Vec<_>>>()?.into()),
        _ => Ok(Volume::remove(a.text("name")?).map(|()| Value::Null)?),
    }
}

fn pull(a: Args<'_>) -> Answer {
    let (sender, receiver) = mpsc::channel();
    let mut options = PullOptions::new().force(a.flag("force")?).events(sender);
    if let Some(policy) = a.text_or("policy")? {
        options = options.policy(policy.parse()?);
    }
    let cached = Image::pull(a.text("reference")?, &options)?;
    drop(options);
    let mut v = Value::object();
    v.set("cached", cached).set("events", events(receiver));
    Ok(v)
}

fn inspect(reference: &str) -> Answer {
    let detail = Image::inspect(reference)?;
    let mut v = Value::object();
    v.set("reference", detail.handle.reference())
        .set("digest", detail.handle.manifest_digest())
        .set("config", detail.config)
        .set("layers", detail.layers.iter().map(layer).collect::<Vec<_>>());
    Ok(v)
}

fn images(op: &str, a: Args<'_>) -> Answer {
    match op {
        "image_pull" => pull(a),
        "image_list" => Ok(Image::list()?.iter().map(image).collect::<Vec<_>>().into()),
        "image_get" => Ok(image(&Image::get(a.text("reference")?)?)),
        "image_inspect" => inspect(a.text("reference")?),
        "image_remove" => {
            Ok(Image::remove(a.text("reference")?, a.flag("force")?).map(|()| Value::Null)?)
        }
        _ => Ok(Image::gc().map(|_| Value::Null)?),
    }
}

fn snapshot_create(a: Args<'_>) -> Answer {
    let mut b = Snapshot::builder(a.text("source")?);
    if let Some(name) = a.text_or("name")? {
        b = b.name(name);
    }
    if let Some(path) = a.text_or("path")? {
        b = b.path(path);
    }
    for (key, value) in a.pairs("labels")? {
        b = b.label(key, value);
    }
    if a.flag("force")? {
        b = b.force();
    }
    if a.flag("integrity")? {
        b = b.record_integrity();
    }
    Ok(snapshot(&b.create()?))
}

fn snapshots(op: &str, a: Args<'_>) -> Answer {
    let list = |all: Vec<Snapshot>| all.iter().map(snapshot).collect::<Vec<_>>().into();
    match op {
        "snapshot_create" => snapshot_create(a),
        "snapshot_get" => Ok(snapshot(&Snapshot::get(a.text("ref")?)?)),
        "snapshot_list" => Ok(list(Snapshot::list()?)),
        "snapshot_list_dir" => Ok(list(Snapshot::list_dir(a.text("dir")?)?)),
        "snapshot_verify" => Ok(match Snapshot::get(a.text("ref")?)?.verify()? {
            SnapshotVerifyReport::NotRecorded => "not_recorded".into(),
            SnapshotVerifyReport::Verified { .. } => "verified".into(),
        }),
        "snapshot_remove" => {
            Ok(Snapshot::remove(a.text("ref")?, a.flag("force")?).map(|()| Value::Null)?)
        }
        "snapshot_reindex" => Ok(Snapshot::reindex(a.text_or("dir")?.map(Path::new))?.into()),
        "snapshot_export" => {
            let options = ExportOptions { parents: a.flag("parents")?, plain: a.flag("plain")? };
            Snapshot::export(a.text("ref")?, a.text("path")?, options)?;
            Ok(Value::Null)
        }
        _ => {
            let dest = a.text_or("dest")?.map(Path::new);
            Ok(snapshot(&Snapshot::import(a.text("path")?, dest)?))
        }
    }
}

pub fn perform(op: &str, a: Args<'_>) -> Option<Answer> {
    Some(match op {
        "volume_create" | "volume_get" | "volume_list" | "volume_remove" => volumes(op, a),
        "image_pull" | "image_list" | "image_get" | "image_inspect" | "image_remove"
        | "image_prune" => images(op, a),
        "snapshot_create" | "snapshot_get" | "snapshot_list" | "snapshot_list_dir"
        | "snapshot_verify" | "snapshot_remove" | "snapshot_reindex" | "snapshot_export"
        | "snapshot_import" => snapshots(op, a),
        _ => return None,
    })
}
