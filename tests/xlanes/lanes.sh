#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# This test will print how fast the disk backend is with lanes.
#
# time: 900
set -u
DIR=/tmp/xl
mkdir -p $DIR
run() { # name store lanes rw bs depth n
	/bin/swapserver --lanes "$3" --ready $DIR/ready.$1 /dev/abctl0 disk,path=$2 2>$DIR/err &
	server=$!
	while ! [ -s $DIR/ready.$1 ]; do usleep 20000; kill -0 $server 2>/dev/null || { cat $DIR/err; exit 1; }; done
	fio --name=x --filename=/dev/abuse0 --ioengine=libaio --direct=1 --rw=$4 --bs=$5 --iodepth=$6 --number_ios=$7 --size=100% --norandommap --randseed=3 --runtime=20 --output-format=terse --output=$DIR/out >/dev/null 2>&1
	awk -F';' -v n="$1" '{print "progress: " n " read iops " $8 " write iops " $49}' $DIR/out
	kill $server; wait $server
	rm -f $DIR/ready.$1
}
STORE=/dev/store
for round in 1 2 3; do
for l in 0 1 3 7; do
	run r$round.virtio.$l.randwrite.32 $STORE $l randwrite 4k 32 6000
	run r$round.virtio.$l.randread.32 $STORE $l randread 4k 32 6000
	run r$round.virtio.$l.randwrite.1 $STORE $l randwrite 4k 1 1500
done
done
modprobe scsi_debug dev_size_mb=64 delay=0 ndelay=1000000 max_queue=64
sleep 1
S=/dev/$(ls /sys/bus/pseudo/drivers/scsi_debug/adapter0/host*/target*/*:*/block)
for round in 1 2 3; do
for l in 0 1 3 7 15; do
	run r$round.slow1ms.$l.randwrite.32 $S $l randwrite 4k 32 3000
	run r$round.slow1ms.$l.randread.8 $S $l randread 4k 8 2000
done
done
exit 0
