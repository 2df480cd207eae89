# Looks for the kernel's own files in /proc: its settings, memory, symbols, log and tables.
import os

NAMES = (
    "sys sys/kernel/core_pattern sys/kernel/modprobe sysrq-trigger kcore kallsyms kmsg kpagecount kpageflags modules keys "
    "key-users config.gz cmdline iomem ioports interrupts timer_list sched_debug partitions diskstats slabinfo vmallocinfo "
    "bus fs irq acpi scsi tty sysvipc net"
)
for name in NAMES.split():
    assert not os.path.lexists(f"/proc/{name}"), f"/proc/{name} is there"
