// SPDX-License-Identifier: Apache-2.0
// Where each device sits. Changing a line here changes the machine that guests see: saved templates
// end with it.
//
// clang-format off
//   slot       pc (bus pci.0)        q35 (bus pcie.0)                  microvm (virtio-mmio-bus.N, N = slot - 2)
//   0x00, 0x01 host bridge, PIIX3/4  host bridge                       -
//   0x02       virtio-serial         virtio-serial                     virtio-serial
//   0x03       virtio-rng            virtio-rng                        virtio-rng
//   0x04       the share: virtio-9p or vhost-user-fs; plugged in, the latter sits behind a root port on q35
//   0x05       virtio-net            virtio-net                        virtio-net
//   0x06       virtio-balloon            virtio-balloon                    virtio-balloon
//   0x07-0x0f  kept for devices to come at start
//   0x10-0x1f  free for hot-plug     0x10.0-3: root ports hotplug0-3   -
//                                    0x1f: ICH9 LPC
// clang-format on
//
// What is free for hot-plug is filled by network devices from its beginning and by disks from its
// end.
#pragma once

namespace cc::qemu {

constexpr int kSerialSlot = 0x02;
constexpr int kRngSlot = 0x03;
constexpr int kShareSlot = 0x04;
constexpr int kNicSlot = 0x05;
constexpr int kBalloonSlot = 0x06;
// On pc every free slot of the root bus can be hot-plugged through ACPI. On q35 only what sits
// behind a root port can; each port costs the guest 1.4 million instructions (docs/cc-vmm.md).
constexpr int kFirstPlugSlot = 0x10;
constexpr int kRootPortSlot = 0x10;
constexpr int kRootPorts = 4;

// Ports of virtio-serial: number 0 is the bus's console port.
constexpr int kConsolePort = 0;
constexpr int kCtlPort = 1;
constexpr int kIoPort = 2;
constexpr int kDnsPort = 3;
constexpr int kSerialPorts = 4;

// Slots for memory: one for the root image, the rest for hot-plug.
constexpr int kMemorySlots = 8;

}  // namespace cc::qemu
