# SPDX-License-Identifier: GPL-2.0-only
"""The parts of abusectl that need no device: its JSON, parsers, statistics, messages to a service manager.

Where it stands: [host] > swapserver/abusectl.  tests/tools/host/units.c calls them and prints what comes out.
"""
from __future__ import annotations

import json
import re
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
SOURCES = [*sorted((REPO / "swapserver" / "abusectl").glob("*.c")), REPO / "swapserver/parse.c"]
FLAGS = ["-std=gnu11", "-O0", "-g", "-Wall", "-Wextra", "-Werror", "-Wshadow", "-I", str(REPO / "module/include/uapi"),
         '-DABUSE_VERSION="0"', "-fsanitize=undefined", "-fno-sanitize-recover=undefined"]
# Sizes, and what they are; and what is none.
SIZES = {"0": 0, "4096": 4096, "010": 10, "0x10": 16, "0X1fK": 31 << 10, "1k": 1 << 10, "3M": 3 << 20, "4G": 4 << 30, "2T": 2 << 40,
         "18446744073709551615": 2**64 - 1, "16777215T": 16777215 << 40}
NO_SIZES = ("", " 5", "5 ", "-1", "+1", "4X", "4GG", "4KB", "G", "x", "0x", "0xg", "1e3", "4.5G", "18446744073709551616", "16777216T")
# parse.c, broken: each must be found out by the two above.
PARSE_TWINS = (("is_hex ? 16 : 10", "is_hex ? 0 : 0"), ("end[shift != 0] ||", ""), ("|| n > UINT64_MAX >> shift", ""), ("*text < '0' ||", ""),
               ("errno ? NULL : end", "end"), ("shift = 40", "shift = 30"))


class Units(unittest.TestCase):
    folder: tempfile.TemporaryDirectory[str]
    program: Path

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory()
        cls.program = Path(cls.folder.name) / "units"
        # Two mains: abusectl's is renamed in its own file alone.
        objects = []
        for source in SOURCES:
            target = Path(cls.folder.name) / f"{source.stem}.o"
            rename = ["-Dmain=abusectl_main"] if source.stem == "abusectl" else []
            subprocess.run(["cc", *FLAGS, *rename, "-c", "-o", str(target), str(source)], check=True)
            objects.append(str(target))
        command = ["cc", *FLAGS, "-o", str(cls.program), str(REPO / "tests/tools/host/units.c"), *objects]
        subprocess.run(command, check=True)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.folder.cleanup()

    def units(self, *arguments: str | bytes) -> list[str]:
        result = subprocess.run([str(self.program), *arguments], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return result.stdout.decode().splitlines()

    def document(self, *texts: bytes) -> dict[str, object]:
        result = subprocess.run([str(self.program), "json", *texts], check=True, stdout=subprocess.PIPE)
        return json.loads(result.stdout.decode("utf-8"))  # strict: must be UTF-8

    def test_json_texts(self) -> None:
        texts = [b"", b"plain", b'"quoted" \\ back', bytes(range(1, 32)), b"\x7f", "grün €  𝄞".encode(), b"</script>"]
        document = self.document(*texts)
        self.assertEqual(document["texts"], [text.decode() for text in texts])
        self.assertEqual(document["keys"], {text.decode(): -i for i, text in enumerate(texts)})

    def test_json_what_is_no_utf8(self) -> None:
        for broken in (b"\xff", b"a\xc3", b"\xc3(", b"\xe2\x82", b"\xe2\x82(", b"\xc0\x80", b"\xe0\x80\x80", b"\xed\xa0\x80",
                       b"\xf4\x90\x80\x80", b"\xf0\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\x80abc"):
            with self.subTest(broken):
                text = self.document(broken)["texts"][0]
                self.assertIn("\ufffd", text)
                self.assertEqual(text.replace("\ufffd", ""), broken.decode("ascii", "ignore"))

    def test_json_structure(self) -> None:
        document = self.document()
        self.assertEqual(document["texts"], [])
        self.assertEqual(document["empty"], {})
        self.assertEqual(document["nested"], [[{"yes": True, "no": False, "null": None}]] * 2)
        self.assertEqual((document["most"], document["least"]), (2**64 - 1, -(2**63)))

    def test_takeover_ranks(self) -> None:
        self.assertEqual(self.units("takeover", "8", "0"), ["0 0 0 0 0"])
        self.assertEqual(self.units("takeover", "8", "1", "7"), ["1 1 7 7 7"])
        self.assertEqual(self.units("takeover", "8", "4", "4", "1", "3", "2"), ["4 4 2 4 4"])
        # A ring that has gone round: all of it is known, and no more.
        self.assertEqual(self.units("takeover", "4", "9", "40", "10", "30", "20", "999"), ["9 4 20 40 40"])
        values = [str(1 + i * 7 % 200) for i in range(200)]  # 1 to 200, in no order
        self.assertEqual(self.units("takeover", "1024", "200", *values), ["200 200 100 198 200"])

    def test_swaps(self) -> None:
        lines = ["Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority",
                 "/dev/abuse0                             partition\t4194300\t\t128\t\t-2",
                 "/a\\040b\\134                            file\t\t8\t\t0\t\t5", "", "/dev/sda1 partition 12"]
        self.assertEqual(self.units("swap", *lines),
                         ["none", "/dev/abuse0|4194300|128|-2", "/a b\\|8|0|5", "none", "none"])

    def test_mounts(self) -> None:
        lines = ["36 35 60:0 / /mnt rw,noatime shared:1 - ext4 /dev/abuse0 rw",
                 "36 35 0:44 /sub /mnt\\0402 rw - btrfs /dev/abuse1 rw", "36 35 60:0 / /mnt rw", "nonsense",
                 "36 35 60:0 / /" + "x" * 100 + " rw - ext4 /dev/abuse0 rw"]
        self.assertEqual(self.units("mount", *lines), ["60:0|/mnt|/dev/abuse0", "0:44|/mnt 2|/dev/abuse1", "none", "none",
                                                       "60:0|/" + "x" * 30 + "|/dev/abuse0"])

    def test_paths(self) -> None:
        for path, ours in {"/dev/abuse1": "yes", "/dev/abuse1p2": "yes", "/dev/abuse1 (deleted)": "yes", "/dev/abuse10": "no",
                           "/dev/abuse1p": "no", "/dev/abuse1px": "no", "/dev/abuse": "no", "/tmp/abuse1": "no"}.items():
            with self.subTest(path):
                self.assertEqual(self.units("path", "1", path), [ours])

    def test_stat(self) -> None:
        fields = ["S", *(str(i) for i in range(4, 53))]
        fields[9 - 3] = str(0x40a800)
        line = "12 (a) b (c) " + " ".join(fields)
        self.assertEqual(self.units("stat", line), ["S 40a800 41 40 22"])
        self.assertEqual(self.units("stat", "12 (cut) S 1 2 3", "", "12 (cut) " + " ".join(fields[:30])), ["none"] * 3)
        self.assertEqual(self.units("stat", Path("/proc/self/stat").read_text())[0].split()[0] in "RS", True)

    def test_servers(self) -> None:
        self.assertEqual(self.units("server", "12 3 450", "7 0 0 dying", "", "12 3"), ["12 3 450", "7 0 0 dying", "none", "none"])

    def test_sizes(self) -> None:
        self.assertEqual(self.units("size", *SIZES), [str(size) for size in SIZES.values()])
        self.assertEqual(self.units("size", *NO_SIZES), ["none"] * len(NO_SIZES))

    def test_sizes_twins(self) -> None:
        text = (REPO / "swapserver/parse.c").read_text()
        good = self.units("size", *SIZES, *NO_SIZES)
        others = [path for path in Path(self.folder.name).glob("*.o") if path.stem != "parse"]
        for part, instead in PARSE_TWINS:
            with self.subTest(part), tempfile.TemporaryDirectory() as folder:
                self.assertIn(part, text)
                source, program = Path(folder) / "parse.c", Path(folder) / "units"
                source.write_text(text.replace(part, instead))
                subprocess.run(["cc", *FLAGS, "-I", str(REPO / "swapserver"), "-o", str(program), str(REPO / "tests/tools/host/units.c"),
                                *map(str, others), str(source)], check=True)
                done = subprocess.run([str(program), "size", *SIZES, *NO_SIZES], capture_output=True, text=True, check=False)
                self.assertNotEqual(done.stdout.splitlines(), good)

    def test_numbers(self) -> None:
        self.assertEqual(self.units("number", "2", "100", "2", "100", "010", "0x10", "99"), ["2", "100", "10", "16", "99"])
        wrong = ["1", "101", "", "-2", " 3", "3 ", "3K", "x", "99999999999999999999"]
        self.assertEqual(self.units("number", "2", "100", *wrong), ["none"] * len(wrong))

    def test_device_names(self) -> None:
        self.assertEqual(self.units("device", "0", "abuse3", "/dev/abuse17", "/dev/abctl1023", "1024", "-1", "abuse", "x", "1x"),
                         ["0", "3", "17", "1023", *["-1"] * 5])

    def test_protections_are_those_of_the_server(self) -> None:
        table = re.search(r"protect_names\[PROTECT_COUNT\] = \{(.*?)\};", (REPO / "swapserver/protect.c").read_text(), re.S)
        assert table
        self.assertEqual(self.units("names"), re.findall(r'"([a-z]+)"', table[1]))

    def test_policies_are_the_attributes_that_can_be_set(self) -> None:
        text = (REPO / "swapserver/abusectl/policy.c").read_text()
        keys = re.findall(r'\{ "([a-z_]+)", "', text[:text.index("NR_POLICIES")])
        written = set(re.findall(r"DEVICE_ATTR_RW\((\w+)\)", (REPO / "module/sysfs.c").read_text()))
        self.assertEqual(set(keys) | {"aside"}, written)

    def test_counters_are_all_told(self) -> None:
        header = (REPO / "module/include/uapi/linux/abuse.h").read_text()
        struct = re.search(r"struct abuse_counters \{(.*?)\};", header, re.S)
        assert struct
        told = re.findall(r"COUNTER\((\w+)\)[,;\n]", (REPO / "swapserver/abusectl/snapshot.c").read_text())
        self.assertEqual(told, re.findall(r"ab_(\w+);", struct[1]))

    def test_task(self) -> None:
        first, oom, mlock = self.units("task")
        self.assertRegex(first, r"^1 1 [0-2] 1$")
        self.assertRegex(oom, r"^[01] oom_score_adj -?\d+$")
        self.assertRegex(mlock, r"^0 VmLck 0 kB")

    def notified(self, winner: int) -> tuple[list[str], list[str]]:
        """What a service manager is told, and what the program printed; winner 0: it dies before it names one."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            path = f"{self.folder.name}/notify-{winner}"
            manager.bind(path)
            manager.settimeout(10)
            printed = self.units("notify", path, "41", str(winner))
            return printed, [manager.recv(100).decode() for _ in range(2)]

    def test_the_service_manager_is_told(self) -> None:
        printed, said = self.notified(42)
        error, keeper = printed[0].split()
        self.assertEqual(error, "0")
        self.assertEqual(said, [f"MAINPID={keeper}\n", "MAINPID=42\n"])
        # Whoever wanted to upgrade has died: as it was.
        self.assertEqual(self.notified(0)[1][1], "MAINPID=41\n")

    def test_no_service_manager(self) -> None:
        self.assertEqual(self.units("notify", "", "41", "42"), ["0 0"])
        self.assertEqual(self.units("notify", f"{self.folder.name}/nobody", "41", "42")[0].split()[0], str(-2))

    def test_wrong_usage(self) -> None:
        program = Path(self.folder.name) / "abusectl"
        objects = [str(Path(self.folder.name) / f"{source.stem}.o") for source in SOURCES if source.stem != "abusectl"]
        subprocess.run(["cc", *FLAGS, "-o", str(program), str(REPO / "swapserver/abusectl/abusectl.c"), *objects], check=True)
        for line in ("", "nothing", "add --size", "add --size x", "add --blocksize 4096", "add 1 2", "remove", "remove x",
                     "list x", "status 1 2", "status --xml", "wait", "wait 0 --timeout 0", "drain", "drain 0 --kill",
                     "drain 0 --timeout -1", "upgrade 0", "aside 0", "aside 0 x", "scope 0", "scope 0 x", "policy",
                     "policy 0 x=1", "policy 0 reset"):
            with self.subTest(line):
                result = subprocess.run([str(program), *line.split()], capture_output=True, text=True, check=False)
                self.assertEqual(result.returncode, 2, result.stderr)
                if line:
                    self.assertRegex(result.stderr, r"\Aabusectl: [^\n]+\n\Z")
        for line in ("--help", "--version", "drain --help"):
            self.assertEqual(subprocess.run([str(program), *line.split()], capture_output=True, check=False).returncode, 0)


if __name__ == "__main__":
    unittest.main()
