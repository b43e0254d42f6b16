// SPDX-License-Identifier: Apache-2.0

package microsandbox

// SandboxStatus is the state of a sandbox.
type SandboxStatus string

// States of a sandbox.
const (
	StatusRunning  SandboxStatus = "running"
	StatusDraining SandboxStatus = "draining" // about to stop
	StatusPaused   SandboxStatus = "paused"
	StatusStopped  SandboxStatus = "stopped"
	StatusCrashed  SandboxStatus = "crashed"
)

// PullPolicy says when an image is looked for in its registry.
type PullPolicy string

// Policies of pulling.
const (
	PullIfMissing PullPolicy = "if-missing"
	PullAlways    PullPolicy = "always"
	PullNever     PullPolicy = "never"
)

// LogLevel is what the runtime writes to its log.
type LogLevel string

// Levels of a log.
const (
	LogLevelTrace LogLevel = "trace"
	LogLevelDebug LogLevel = "debug"
	LogLevelInfo  LogLevel = "info"
	LogLevelWarn  LogLevel = "warn"
	LogLevelError LogLevel = "error"
)

// Protocol is one of IP.
type Protocol string

// Protocols of rules; ports have TCP and UDP only.
const (
	ProtocolTCP    Protocol = "tcp"
	ProtocolUDP    Protocol = "udp"
	ProtocolICMPv4 Protocol = "icmpv4"
	ProtocolICMPv6 Protocol = "icmpv6"
)

// PolicyAction is what a rule decides.
type PolicyAction string

// Decisions of a rule.
const (
	ActionAllow PolicyAction = "allow"
	ActionDeny  PolicyAction = "deny"
)

// PolicyDirection is where a flow comes from.
type PolicyDirection string

// Directions of a rule; empty is egress.
const (
	DirectionEgress  PolicyDirection = "egress"
	DirectionIngress PolicyDirection = "ingress"
	DirectionAny     PolicyDirection = "any"
)

// ViolationAction is what becomes of a request with a placeholder of a secret
// that may not go where the request goes.
type ViolationAction string

// Actions on a violation.
const (
	ViolationBlock             ViolationAction = "block"
	ViolationBlockAndLog       ViolationAction = "block-and-log"
	ViolationBlockAndTerminate ViolationAction = "block-and-terminate"
	// ViolationPassthrough sends the request as it is to the listed hosts.
	ViolationPassthrough ViolationAction = "passthrough"
)

// StatVirtualization says where owners and modes of a mount's files are kept.
type StatVirtualization string

// Ways of keeping them.
const (
	StatVirtualizationStrict  StatVirtualization = "strict"
	StatVirtualizationRelaxed StatVirtualization = "relaxed"
	StatVirtualizationOff     StatVirtualization = "off"
)

// HostPermissions says which permissions files of a mount get on the host.
type HostPermissions string

// Permissions on the host.
const (
	HostPermissionsPrivate HostPermissions = "private"
	HostPermissionsMirror  HostPermissions = "mirror"
)

// DiskFormat is the format of a disk image.
type DiskFormat string

// Formats of disk images; empty is what the name of the file says.
const (
	DiskRaw   DiskFormat = "raw"
	DiskQcow2 DiskFormat = "qcow2"
	DiskVMDK  DiskFormat = "vmdk"
)

// LogSource is where an entry of a log comes from.
type LogSource string

// Sources of logs.
const (
	LogStdout LogSource = "stdout"
	LogStderr LogSource = "stderr"
	LogOutput LogSource = "output" // of a terminal: both in one
	LogSystem LogSource = "system" // markers, the runtime's log, the console
	LogAll    LogSource = "all"    // all of these, for reading
)

// FsEntryKind is what is at a path.
type FsEntryKind string

// Kinds of files.
const (
	FsFile      FsEntryKind = "file"
	FsDirectory FsEntryKind = "directory"
	FsSymlink   FsEntryKind = "symlink"
	FsOther     FsEntryKind = "other"
)
