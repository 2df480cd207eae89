# Looks for devices that lead to the machine: its memory, disks, terminals, kernel and hypervisor.
import os

NAMES = (
    "mem kmem port kmsg tty tty0 console ptmx pts fuse kvm vsock vhost-vsock vhost-net net/tun loop-control loop0 "
    "sda vda nvme0n1 mapper/control btrfs-control dri snd input rtc0 watchdog cpu/0/msr cpu_dma_latency userfaultfd "
    "hugepages mqueue uinput vfio/vfio nvidia0"
)
for name in NAMES.split():
    assert not os.path.lexists(f"/dev/{name}"), f"/dev/{name} is there"
