# SPDX-License-Identifier: Apache-2.0
"""Keeps one idle virtual CPU alive, so that KVM never switches between two versions of its code.

KVM patches its own instructions whenever the first virtual APIC in the system is switched off
or the last one is on again, which is at every start of a guest. QEMU's emulation may go on
executing the breakpoint that guards such a patch on one CPU when another has just removed it; both
CPUs then trap for ever. With a virtual APIC that stays off nothing is patched.
"""
import fcntl
import signal

KVM_CREATE_VM, KVM_CREATE_VCPU, KVM_CREATE_IRQCHIP = 0xAE01, 0xAE41, 0xAE60

kvm = open("/dev/kvm", "rb+", buffering=0)
machine = fcntl.ioctl(kvm, KVM_CREATE_VM, 0)
fcntl.ioctl(machine, KVM_CREATE_IRQCHIP)
cpu = fcntl.ioctl(machine, KVM_CREATE_VCPU, 0)
print("kept", flush=True)
signal.pause()
