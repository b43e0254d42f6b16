// SPDX-License-Identifier: Apache-2.0

package microsandbox

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"encoding/json"
	"os"
	"time"
	"unsafe"
)

// ImageHandle is an image in the cache, as of when it was asked for. It holds
// nothing open.
type ImageHandle struct {
	reference, canonical, digest string
	size                         int64
	architecture, os             string
	layers                       []ImageLayer
	created, used                time.Time
	json                         string
}

// ImageLayer is a layer of an image; the lowest one is the first.
type ImageLayer struct {
	DiffID         string
	Digest         string
	MediaType      string
	CompressedSize uint64
}

// ImageConfig is what an image says of how it is run.
type ImageConfig struct {
	Env        []string          `json:"env"`
	Cmd        []string          `json:"cmd"`
	Entrypoint []string          `json:"entrypoint"`
	WorkingDir string            `json:"working_dir"`
	User       string            `json:"user"`
	Labels     map[string]string `json:"labels"`
	StopSignal string            `json:"stop_signal"`
}

// ImageDetail is all that is known of an image.
type ImageDetail struct {
	Handle *ImageHandle
	Config *ImageConfig // nil: not known
	Layers []ImageLayer
	JSON   string // see docs/json.md of msb
}

func newImageHandle(img *C.msb_image_t) *ImageHandle {
	h := &ImageHandle{
		reference:    C.GoString(C.msb_image_reference(img)),
		canonical:    C.GoString(C.msb_image_canonical(img)),
		digest:       C.GoString(C.msb_image_digest(img)),
		size:         int64(C.msb_image_size_bytes(img)),
		architecture: C.GoString(C.msb_image_architecture(img)),
		os:           C.GoString(C.msb_image_os(img)),
		created:      at(int64(C.msb_image_created_unix_ms(img))),
		used:         at(int64(C.msb_image_last_used_unix_ms(img))),
		json:         C.GoString(C.msb_image_json(img)),
	}
	for i := C.size_t(0); i < C.msb_image_layer_count(img); i++ {
		l := C.msb_image_layer_t{struct_size: C.size_t(unsafe.Sizeof(C.msb_image_layer_t{}))}
		if C.msb_image_layer(img, i, &l) < 0 {
			break
		}
		h.layers = append(h.layers, ImageLayer{
			DiffID:         C.GoString(l.diff_id),
			Digest:         C.GoString(l.digest),
			MediaType:      C.GoString(l.media_type),
			CompressedSize: uint64(l.size_bytes),
		})
	}
	return h
}

// Reference is its name as people write it.
func (h *ImageHandle) Reference() string { return h.reference }

// Canonical is its complete name.
func (h *ImageHandle) Canonical() string { return h.canonical }

// ManifestDigest is the digest of its manifest.
func (h *ImageHandle) ManifestDigest() string { return h.digest }

// SizeBytes is the sum of its compressed layers, -1 when files are missing.
func (h *ImageHandle) SizeBytes() int64 { return h.size }

// Architecture is that of its platform; empty: not known.
func (h *ImageHandle) Architecture() string { return h.architecture }

// OS is that of its platform; empty: not known.
func (h *ImageHandle) OS() string { return h.os }

// LayerCount is how many layers it has.
func (h *ImageHandle) LayerCount() int { return len(h.layers) }

// CreatedAt is when its name came into the cache.
func (h *ImageHandle) CreatedAt() time.Time { return h.created }

// LastUsedAt is when a sandbox was made from it last; zero: never.
func (h *ImageHandle) LastUsedAt() time.Time { return h.used }

// Inspect gives all that is known.
func (h *ImageHandle) Inspect(ctx context.Context) (*ImageDetail, error) {
	return Image.Inspect(ctx, h.reference)
}

// Remove removes it from the cache; force: also when a sandbox was made from
// it.
func (h *ImageHandle) Remove(ctx context.Context, force bool) error {
	return Image.Remove(ctx, h.reference, force)
}

// ImagePullOptions say how an image is pulled.
type ImagePullOptions struct {
	Policy   PullPolicy // PullIfMissing, when empty
	Force    bool       // download and build everything again
	Auth     *RegistryAuth
	Insecure bool   // plain HTTP
	CACerts  string // a file with PEM certificates to trust, too
	Progress func(PullEvent)
}

func (p *ImagePullOptions) native() (*imageWatcher, error) {
	var a arena
	defer a.free()
	w := &imageWatcher{options: C.msb_image_options_new()}
	if w.options == nil {
		return nil, &Error{Kind: ErrNoMemory, Message: "out of memory"}
	}
	w.listen(p.Progress)
	switch p.Policy {
	case "", PullIfMissing:
	case PullAlways:
		C.msb_image_options_set_policy(w.options, C.MSB_PULL_ALWAYS)
	case PullNever:
		C.msb_image_options_set_policy(w.options, C.MSB_PULL_NEVER)
	default:
		a.err = invalidArgument("there is no such pull policy")
	}
	C.msb_image_options_set_force(w.options, C.bool(p.Force))
	C.msb_image_options_set_insecure(w.options, C.bool(p.Insecure))
	_, err := do(context.Background(), func(_ *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		if p.CACerts != "" {
			if rc := C.msb_image_options_set_ca_certs(w.options, a.text(p.CACerts), e); rc < 0 {
				return C.int64_t(rc)
			}
		}
		if p.Auth != nil {
			return C.int64_t(C.msb_image_options_set_login(w.options, a.text(p.Auth.Username), a.text(p.Auth.Password), e))
		}
		return 0
	})
	if a.err != nil {
		err = a.err
	}
	if err != nil {
		w.free()
		return nil, err
	}
	return w, nil
}

// Image is the cache of images.
var Image imageFactory

type imageFactory struct{}

// Pull brings an image into the cache. cached: it was there. Of several options
// the last are taken.
func (imageFactory) Pull(ctx context.Context, reference string, opts ...ImagePullOptions) (cached bool, err error) {
	var o ImagePullOptions
	for _, o = range opts {
	}
	w, err := o.native()
	if err != nil {
		return false, err
	}
	defer w.free()
	var a arena
	defer a.free()
	ref := a.text(reference)
	if a.err != nil {
		return false, a.err
	}
	var was C.bool
	_, err = inHome(ctx, func(m *C.msb_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_image_pull(k, m, ref, w.options, &was, e)
	})
	return bool(was), err
}

// Load reads an archive, of docker save or an OCI layout; names are further
// names of its first image.
func (imageFactory) Load(ctx context.Context, archive *os.File, names ...string) ([]*ImageHandle, error) {
	var a arena
	defer a.free()
	words, n := a.list(names)
	input := a.text(archive.Name())
	if a.err != nil {
		return nil, a.err
	}
	var list *C.msb_image_list_t
	_, err := inHome(ctx, func(m *C.msb_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_image_load(k, m, C.int(archive.Fd()), input, words, n, nil, &list, e)
	})
	if err != nil {
		return nil, err
	}
	return takeImages(list), nil
}

// Save writes images into an empty file, as docker save does, or as an OCI
// layout.
func (imageFactory) Save(ctx context.Context, archive *os.File, oci bool, references ...string) error {
	var a arena
	defer a.free()
	words, n := a.list(references)
	if a.err != nil {
		return a.err
	}
	format := C.msb_archive_t(C.MSB_ARCHIVE_DOCKER)
	if oci {
		format = C.MSB_ARCHIVE_OCI
	}
	_, err := inHome(ctx, func(m *C.msb_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_image_save(k, m, words, n, format, C.int(archive.Fd()), nil, e)
	})
	return err
}

// Get looks an image up in the cache.
func (imageFactory) Get(ctx context.Context, reference string) (*ImageHandle, error) {
	var a arena
	defer a.free()
	ref := a.text(reference)
	if a.err != nil {
		return nil, a.err
	}
	var img *C.msb_image_t
	_, err := inHome(ctx, func(m *C.msb_t, _ *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.int64_t(C.msb_image_get(m, ref, &img, e))
	})
	if err != nil {
		return nil, err
	}
	defer C.msb_image_free(img)
	return newImageHandle(img), nil
}

// List gives all images of the cache, by name.
func (imageFactory) List(ctx context.Context) ([]*ImageHandle, error) {
	var list *C.msb_image_list_t
	_, err := inHome(ctx, func(m *C.msb_t, _ *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.int64_t(C.msb_image_list(m, &list, e))
	})
	if err != nil {
		return nil, err
	}
	return takeImages(list), nil
}

func takeImages(list *C.msb_image_list_t) []*ImageHandle {
	defer C.msb_image_list_free(list)
	images := make([]*ImageHandle, int(C.msb_image_list_count(list)))
	for i := range images {
		images[i] = newImageHandle(C.msb_image_list_item(list, C.size_t(i)))
	}
	return images
}

// Inspect gives all that is known of an image.
func (imageFactory) Inspect(ctx context.Context, reference string) (*ImageDetail, error) {
	h, err := Image.Get(ctx, reference)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Config *ImageConfig `json:"config"`
	}
	if err := json.Unmarshal([]byte(h.json), &doc); err != nil {
		return nil, &Error{Kind: ErrImage, Message: "image error: " + err.Error(), Cause: err}
	}
	return &ImageDetail{Handle: h, Config: doc.Config, Layers: h.layers, JSON: h.json}, nil
}

// Remove removes a name from the cache, and what nothing needs any more; force:
// also when a sandbox was made from it.
func (imageFactory) Remove(ctx context.Context, reference string, force bool) error {
	var a arena
	defer a.free()
	ref := a.text(reference)
	if a.err != nil {
		return a.err
	}
	_, err := inHome(ctx, func(m *C.msb_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_image_remove(k, m, ref, C.bool(force), e)
	})
	return err
}

// ImageFreed is what Prune removed.
type ImageFreed struct {
	References, Manifests, Layers, Merged uint32
	Bytes                                 uint64
}

// Prune removes every image that no sandbox was made from, and leftovers.
func (imageFactory) Prune(ctx context.Context) (ImageFreed, error) {
	freed := C.msb_image_freed_t{struct_size: C.size_t(unsafe.Sizeof(C.msb_image_freed_t{}))}
	_, err := inHome(ctx, func(m *C.msb_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_image_prune(k, m, &freed, e)
	})
	return ImageFreed{
		References: uint32(freed.references),
		Manifests:  uint32(freed.manifests),
		Layers:     uint32(freed.layers),
		Merged:     uint32(freed.merged),
		Bytes:      uint64(freed.bytes),
	}, err
}

// GC is Prune, and gives the number of images removed.
func (imageFactory) GC(ctx context.Context) (uint32, error) {
	freed, err := Image.Prune(ctx)
	return freed.Manifests, err
}

// GCLayers is Prune, and gives the number of layers removed.
func (imageFactory) GCLayers(ctx context.Context) (uint32, error) {
	freed, err := Image.Prune(ctx)
	return freed.Layers, err
}
