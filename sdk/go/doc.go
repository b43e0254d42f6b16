// SPDX-License-Identifier: Apache-2.0

// Package microsandbox runs untrusted workloads in small virtual machines.
//
//	sandbox, err := microsandbox.CreateSandbox(ctx, "box", microsandbox.WithImage("busybox"))
//	if err != nil {
//		return err
//	}
//	defer sandbox.Close()
//	out, err := sandbox.Exec(ctx, "echo", []string{"hello"})
//
// Every operation takes a context. One that is cancelled ends at once with an
// *Error of the kind ErrCancelled, whose cause is the context's error; what it
// had begun is undone. Errors are *Error, see IsKind; errors.Is knows kinds,
// context errors and system errors such as fs.ErrNotExist.
//
// What is open is closed with Close: a second time is ErrInvalidHandle. The
// garbage collector closes what was forgotten, late.
//
// The package is a thin layer above libmicrosandbox, found with pkg-config. The
// state directory is $MSB_HOME, or ~/.microsandbox.
package microsandbox
