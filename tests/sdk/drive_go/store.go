// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"

	msb "github.com/superradcompany/microsandbox/sdk/go"
)

func volumeAnswer(v *msb.Volume, err error) (interface{}, error) {
	if err != nil {
		return nil, err
	}
	answer := map[string]interface{}{
		"name": v.Name(), "path": v.Path(), "quota_mib": nil, "used_bytes": v.UsedBytes(),
		"labels": v.Labels(), "created_ms": instant(v.CreatedAt()),
	}
	if quota := v.QuotaMiB(); quota != 0 {
		answer["quota_mib"] = quota
	}
	return answer, nil
}

// kinds are those of progress events, equal ones that follow each other once.
type kinds []msb.PullEventKind

func (k *kinds) add(event msb.PullEvent) {
	if n := len(*k); n == 0 || (*k)[n-1] != event.Kind {
		*k = append(*k, event.Kind)
	}
}

func (k kinds) list() []msb.PullEventKind { return append([]msb.PullEventKind{}, k...) }

func imageAnswer(h *msb.ImageHandle) interface{} {
	return map[string]interface{}{
		"reference": h.Reference(), "digest": h.ManifestDigest(), "size_bytes": h.SizeBytes(),
		"architecture": known(h.Architecture()), "os": known(h.OS()), "layer_count": h.LayerCount(),
		"created_ms": instant(h.CreatedAt()), "last_used_ms": instant(h.LastUsedAt()),
	}
}

type imageArgs struct {
	Reference string
	Policy    msb.PullPolicy
	Force     bool
}

func imageInspect(_ *driver, ctx context.Context, a imageArgs) (interface{}, error) {
	detail, err := msb.Image.Inspect(ctx, a.Reference)
	if err != nil {
		return nil, err
	}
	var doc struct{ Config json.RawMessage }
	if err := json.Unmarshal([]byte(detail.JSON), &doc); err != nil {
		return nil, err
	}
	layers := []interface{}{}
	for _, l := range detail.Layers {
		layers = append(layers, map[string]interface{}{"diff_id": l.DiffID, "digest": l.Digest, "size_bytes": l.CompressedSize})
	}
	return map[string]interface{}{
		"reference": detail.Handle.Reference(), "digest": detail.Handle.ManifestDigest(), "config": doc.Config, "layers": layers,
	}, nil
}

func snapshotAnswer(s *msb.SnapshotArtifact, err error) (interface{}, error) {
	if err != nil {
		return nil, err
	}
	return map[string]interface{}{
		"name": known(s.Name()), "digest": s.Digest(), "path": s.Path(), "image": s.ImageRef(), "format": s.Format(),
		"fstype": s.Fstype(), "parent": known(s.ParentDigest()), "size_bytes": s.SizeBytes(), "labels": s.Labels(),
		"source": known(s.SourceSandbox()),
	}, nil
}

func snapshotList(list []*msb.SnapshotHandle, err error) (interface{}, error) {
	answers := []interface{}{}
	for _, s := range list {
		answer, _ := snapshotAnswer(s, nil)
		answers = append(answers, answer)
	}
	return answers, err
}

type snapshotArgs struct {
	Source, Name, Path, Ref, Dir, Dest string
	Labels                             map[string]string
	Force, Integrity, Parents, Plain   bool
}

func snapshotVerify(_ *driver, ctx context.Context, a snapshotArgs) (interface{}, error) {
	s, err := msb.Snapshot.Open(ctx, a.Ref)
	if err != nil {
		return nil, err
	}
	report, err := s.Verify(ctx)
	if err != nil {
		return nil, err
	}
	return report.Upper, nil
}

var storeOps = map[string]operation{
	"volume_create": op(func(_ *driver, ctx context.Context, a struct {
		Name   string
		Quota  uint64 `json:"quota_mib"`
		Labels map[string]string
	}) (interface{}, error) {
		return volumeAnswer(msb.CreateVolume(ctx, a.Name, msb.WithVolumeQuota(a.Quota), msb.WithVolumeLabels(a.Labels)))
	}),
	"volume_get": op(func(_ *driver, ctx context.Context, a struct{ Name string }) (interface{}, error) {
		return volumeAnswer(msb.GetVolume(ctx, a.Name))
	}),
	"volume_list": op(func(_ *driver, ctx context.Context, _ none) (interface{}, error) {
		volumes, err := msb.ListVolumes(ctx)
		list := []interface{}{}
		for _, v := range volumes {
			answer, _ := volumeAnswer(v, nil)
			list = append(list, answer)
		}
		return list, err
	}),
	"volume_remove": op(func(_ *driver, ctx context.Context, a struct{ Name string }) (interface{}, error) {
		return nil, msb.RemoveVolume(ctx, a.Name)
	}),
	"image_pull": op(func(_ *driver, ctx context.Context, a imageArgs) (interface{}, error) {
		events := kinds{}
		cached, err := msb.Image.Pull(ctx, a.Reference, msb.ImagePullOptions{Policy: a.Policy, Force: a.Force, Progress: events.add})
		return map[string]interface{}{"cached": cached, "events": events.list()}, err
	}),
	"image_list": op(func(_ *driver, ctx context.Context, _ none) (interface{}, error) {
		images, err := msb.Image.List(ctx)
		list := []interface{}{}
		for _, h := range images {
			list = append(list, imageAnswer(h))
		}
		return list, err
	}),
	"image_get": op(func(_ *driver, ctx context.Context, a imageArgs) (interface{}, error) {
		h, err := msb.Image.Get(ctx, a.Reference)
		if err != nil {
			return nil, err
		}
		return imageAnswer(h), nil
	}),
	"image_inspect": op(imageInspect),
	"image_remove": op(func(_ *driver, ctx context.Context, a imageArgs) (interface{}, error) {
		return nil, msb.Image.Remove(ctx, a.Reference, a.Force)
	}),
	"image_prune": op(func(_ *driver, ctx context.Context, _ none) (interface{}, error) {
		_, err := msb.Image.Prune(ctx)
		return nil, err
	}),
	"snapshot_create": op(func(_ *driver, ctx context.Context, a snapshotArgs) (interface{}, error) {
		return snapshotAnswer(msb.Snapshot.Create(ctx, a.Source, msb.SnapshotCreateOptions{
			Name: a.Name, Path: a.Path, Labels: a.Labels, Force: a.Force, RecordIntegrity: a.Integrity,
		}))
	}),
	"snapshot_get": op(func(_ *driver, ctx context.Context, a snapshotArgs) (interface{}, error) {
		return snapshotAnswer(msb.Snapshot.Get(ctx, a.Ref))
	}),
	"snapshot_list": op(func(_ *driver, ctx context.Context, _ none) (interface{}, error) {
		return snapshotList(msb.Snapshot.List(ctx))
	}),
	"snapshot_list_dir": op(func(_ *driver, ctx context.Context, a snapshotArgs) (interface{}, error) {
		return snapshotList(msb.Snapshot.ListDir(ctx, a.Dir))
	}),
	"snapshot_verify": op(snapshotVerify),
	"snapshot_remove": op(func(_ *driver, ctx context.Context, a snapshotArgs) (interface{}, error) {
		return nil, msb.Snapshot.Remove(ctx, a.Ref, a.Force)
	}),
	"snapshot_reindex": op(func(_ *driver, ctx context.Context, a snapshotArgs) (interface{}, error) {
		return msb.Snapshot.Reindex(ctx, a.Dir)
	}),
	"snapshot_export": op(func(_ *driver, ctx context.Context, a snapshotArgs) (interface{}, error) {
		return nil, msb.Snapshot.Export(ctx, a.Ref, a.Path, msb.SnapshotExportOptions{WithParents: a.Parents, PlainTar: a.Plain})
	}),
	"snapshot_import": op(func(_ *driver, ctx context.Context, a snapshotArgs) (interface{}, error) {
		return snapshotAnswer(msb.Snapshot.Import(ctx, a.Path, a.Dest))
	}),
}
