//! `systole device` on machines that are folders: sysfs as Linux 6.12 shows it, with a thread that
//! does what the kernel does when its files are written.

mod machine;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use serde_json::{Value, json};

use machine::{BRIDGE, CARD, DISK, FAR, Machine, said};

/// Does what the kernel does when its files are written, until it is dropped.
struct Kernel {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Kernel {
    fn start(machine: &Machine) -> Self {
        Self::with(machine, true)
    }

    /// A kernel whose vfio-pci takes the functions that it is offered, or does not.
    fn with(machine: &Machine, willing: bool) -> Self {
        let root = machine.0.path().to_path_buf();
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                work(&root, willing);
                sleep(Duration::from_millis(1));
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("no panic");
        }
    }
}

/// What was written to a file that takes requests, if it is there whole.
fn request(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path)
        .ok()
        .filter(|text| text.len() == CARD.len())?;
    fs::write(path, "").expect("it can be emptied");
    Some(text)
}

fn work(root: &Path, willing: bool) {
    let bus = root.join("sys/bus/pci");
    for driver in fs::read_dir(bus.join("drivers"))
        .expect("drivers")
        .flatten()
    {
        if let Some(address) = request(&driver.path().join("unbind")) {
            let link = bus.join("devices").join(&address).join("driver");
            assert_eq!(fs::read_link(&link).expect("it is bound"), driver.path());
            fs::remove_file(link).expect("a link");
        }
    }
    if let Some(address) = request(&bus.join("drivers_probe")) {
        let folder = bus.join("devices").join(&address);
        let wish = fs::read_to_string(folder.join("driver_override")).expect("a file");
        // A file keeps the rest of the longer text that stood there before; the kernel does not.
        let driver = match wish.lines().next() {
            None | Some("" | "(null)") => "systole_old",
            Some(wish) if wish.starts_with("vfio-pci") && !willing => return,
            Some(wish) if wish.starts_with("vfio-pci") => "vfio-pci",
            Some(wish) => panic!("nobody wished for {wish}"),
        };
        symlink(bus.join("drivers").join(driver), folder.join("driver")).expect("it was free");
    }
}

#[test]
fn cards_are_listed() {
    let machine = Machine::new();
    let list = machine.json(&["list"]);
    let found: Vec<_> = list["devices"].as_array().expect("a list").iter().collect();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0]["address"], CARD);
    assert_eq!(found[1]["address"], FAR);
    let all = machine.json(&["list", "--all"]);
    assert_eq!(all["devices"].as_array().expect("a list").len(), 4);
    machine.prints(
        &["list"],
        &["address", CARD, "10ee:5359", "systole_old", "dmar0", "no"],
    );
    machine.prints(&["list", "--all"], &[DISK, "144d:a808", "nvme", BRIDGE]);
    fs::remove_dir_all(machine.folder(CARD)).expect("a folder");
    fs::remove_dir_all(machine.folder(FAR)).expect("a folder");
    machine.prints(&["list"], &["no Systole card", "--all"]);
    assert_eq!(machine.json(&["list"]), json!({"devices": []}));
}

#[test]
fn a_card_is_described() {
    let machine = Machine::new();
    let card = machine.json(&["info", "01:00.0"]);
    assert_eq!(card["card"], true);
    assert_eq!(
        (&card["vendor"], &card["device"], &card["class"]),
        (&json!("10ee"), &json!("5359"), &json!("120000"))
    );
    assert_eq!(card["driver"], "systole_old");
    assert_eq!(
        (&card["group"], &card["iommu"]),
        (&json!(7), &json!("dmar0"))
    );
    assert_eq!(card["vectors"], 4);
    assert_eq!(card["node"], Value::Null);
    assert_eq!(card["resettable"], true);
    let bar = |bar: u32, bytes: u64, memory: bool, wide: bool, prefetchable: bool| {
        json!({"bar": bar, "bytes": bytes, "memory": memory, "wide": wide,
               "prefetchable": prefetchable})
    };
    let bars = [
        bar(0, 0x1_0000, true, false, false),
        bar(2, 64 << 20, true, true, true),
        bar(4, 32, false, false, false),
    ];
    assert_eq!(card["bars"], json!(bars));
    let neighbours = json!([
        {"address": BRIDGE, "driver": "pcieport"},
        {"address": DISK, "driver": "nvme"},
    ]);
    assert_eq!(card["neighbours"], neighbours);
    assert_eq!(card["ready"], false);
    let bind = format!("sudo systole device bind {CARD}");
    let words = [
        CARD,
        "Systole card",
        "67,108,864 bytes",
        "64 bits",
        "4 vector",
        &bind,
    ];
    machine.prints(&["info", CARD], &words);
}

#[test]
fn what_keeps_a_card_from_use_is_named() {
    let machine = Machine::new();
    let obstacles = |address: &str| -> String {
        let list = machine.json(&["info", address])["obstacles"].clone();
        let texts = list.as_array().expect("a list").iter();
        texts
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join("\n")
    };
    let lacks = |text: &str, words: &[&str]| {
        for word in words {
            assert!(text.contains(word), "no `{word}` in: {text}");
        }
    };
    lacks(
        &obstacles(FAR),
        &["no IOMMU", "intel_iommu=on", "no driver has"],
    );
    fs::remove_file(machine.folder(CARD).join("driver")).expect("a link");
    machine.give(CARD, "vfio-pci");
    // The disk of the group is still the kernel's; the bridge does no harm.
    let text = obstacles(CARD);
    lacks(
        &text,
        &["group 7", DISK, "nvme", "device bind --force 0000:01:00.1"],
    );
    assert!(!text.contains(BRIDGE), "{text}");
    fs::remove_file(machine.folder(DISK).join("driver")).expect("a link");
    assert_eq!(machine.json(&["info", CARD])["ready"], true);
    let file = machine.path("dev/vfio/7");
    assert_eq!(
        machine.json(&["info", CARD])["file"],
        file.to_str().expect("text")
    );
    fs::remove_file(file).expect("a file");
    lacks(
        &obstacles(CARD),
        &["dev/vfio/7 is not there", "modprobe vfio-pci"],
    );
    // A kernel with iommufd has a file for the device itself.
    let cdev = machine.folder(CARD).join("vfio-dev/vfio3");
    fs::create_dir_all(&cdev).expect("a folder");
    machine.file(machine.path("dev/iommu"), "");
    // Without such a file the name stands there all the same.
    lacks(&obstacles(CARD), &["dev/vfio/7 is not there"]);
    machine.file(cdev.join("dev"), "511:0");
    machine.file(machine.path("dev/vfio/devices/vfio3"), "");
    let card = machine.json(&["info", CARD]);
    assert_eq!(card["ready"], true);
    let file = machine.path("dev/vfio/devices/vfio3");
    assert_eq!(card["file"], file.to_str().expect("text"));
    fs::remove_dir_all(machine.path("sys/bus/pci/drivers/vfio-pci")).expect("a folder");
    lacks(&obstacles(CARD), &["modprobe vfio-pci"]);
}

/// Runs the program as somebody who is not root, for whom modes of files count.
fn as_nobody(machine: &Machine, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_systole"));
    if rustix::process::geteuid().is_root() {
        // Nobody may be kept from the folders above the program and the machine.
        let copy = machine.path("systole");
        if !copy.exists() {
            fs::copy(env!("CARGO_BIN_EXE_systole"), &copy).expect("a copy");
            mode(machine.0.path(), 0o755);
        }
        command = Command::new(copy);
        command.uid(65534).gid(65534);
    }
    command
        .args(["device", "--sysfs"])
        .arg(machine.0.path())
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

#[test]
fn what_is_said_of_a_card_is_what_opening_it_finds() {
    let machine = Machine::new();
    for (address, driver) in [(CARD, Some("vfio-pci")), (DISK, None)] {
        fs::remove_file(machine.folder(address).join("driver")).expect("a link");
        if let Some(driver) = driver {
            machine.give(address, driver);
        }
    }
    let cdev = machine.folder(CARD).join("vfio-dev/vfio3");
    machine.file(cdev.join("dev"), "511:0");
    let [file, iommu, group, container] = [
        "dev/vfio/devices/vfio3",
        "dev/iommu",
        "dev/vfio/7",
        "dev/vfio/vfio",
    ]
    .map(|name| machine.path(name));
    machine.file(file.clone(), "");
    machine.file(iommu.clone(), "");
    // So that a reset has to open the card.
    mode(&machine.folder(CARD).join("reset"), 0o444);
    // What opening says after all files are open, which here are no devices.
    let (through_iommufd, through_group) = ("bound to iommufd", "does not tell its version");
    for (open, taken, refused) in [
        (&[&file, &iommu, &group, &container][..], &file, None),
        (&[&file, &iommu], &file, None),
        (&[&group, &container], &group, None),
        (&[&file, &group, &container], &group, None),
        (&[&iommu, &group, &container], &group, None),
        (&[&file, &container], &file, Some(&iommu)),
        (&[&iommu, &group], &file, Some(&file)),
        (&[], &file, Some(&file)),
    ] {
        for path in [&file, &iommu, &group, &container] {
            mode(path, if open.contains(&path) { 0o666 } else { 0 });
        }
        let output = as_nobody(&machine, &["info", CARD, "--json"]);
        let info: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
        let reset = as_nobody(&machine, &["reset", CARD]);
        assert_eq!(reset.status.code(), Some(4));
        let (reset, taken) = (said(&reset), taken.to_str().expect("text"));
        assert_eq!(info["ready"], refused.is_none(), "{open:?}: {info}");
        assert_eq!(info["file"], taken, "{open:?}");
        let obstacles = info["obstacles"].as_array().expect("a list");
        let Some(refused) = refused else {
            let through = match taken == file.to_str().expect("text") {
                true => through_iommufd,
                false => through_group,
            };
            assert!(reset.contains(through), "{open:?}: {reset}");
            continue;
        };
        let complaint = format!("{} may not be opened", refused.display());
        let first = obstacles[0].as_str().expect("a text");
        assert!(first.starts_with(&complaint), "{open:?}: {first}");
        assert!(reset.contains(first), "{open:?}: {reset}");
    }
    // Of two ways that are closed the one that is there is named.
    fs::remove_file(&iommu).expect("a file");
    let info = machine.json(&["info", CARD]);
    assert_eq!(info["file"], group.to_str().expect("text"));
    // With none there, what is missing first on the better one.
    for path in [&file, &group, &container] {
        fs::remove_file(path).expect("a file");
    }
    let info = machine.json(&["info", CARD]);
    let obstacles = info["obstacles"].to_string();
    for name in ["vfio3 is not there", "modprobe iommufd"] {
        assert!(obstacles.contains(name), "no `{name}` in: {obstacles}");
    }
}

#[test]
fn cards_change_drivers() {
    let machine = Machine::new();
    let kernel = Kernel::start(&machine);
    for _ in 0..3 {
        let bound = machine.json(&["bind", CARD]);
        assert_eq!(bound["driver"], "vfio-pci");
        // It is so already.
        assert_eq!(machine.json(&["bind", CARD])["driver"], "vfio-pci");
        machine.json(&["unbind", CARD]);
        drop_until(&machine, "systole_old");
    }
    machine.refuses(&["bind", DISK], 2, &["144d:a808", "--force"]);
    let forced = machine.json(&["bind", DISK, "--force"]);
    assert_eq!(forced["driver"], "vfio-pci");
    drop(kernel);
}

/// Waits until the card has this driver: a probe that nobody waits for ends later.
fn drop_until(machine: &Machine, driver: &str) {
    for _ in 0..1000 {
        if machine.json(&["info", CARD])["driver"] == driver {
            return;
        }
        sleep(Duration::from_millis(2));
    }
    panic!("the card did not come to {driver}");
}

#[test]
fn a_kernel_that_does_nothing_is_noticed() {
    let machine = Machine::new();
    machine.refuses(
        &["bind", CARD],
        4,
        &["did not give", CARD, "systole_old", "dmesg"],
    );
    fs::remove_file(machine.folder(CARD).join("driver")).expect("a link");
    machine.refuses(&["bind", CARD], 4, &["vfio-pci", "no driver"]);
}

#[test]
fn a_card_that_vfio_does_not_take_is_given_back() {
    let machine = Machine::new();
    let kernel = Kernel::with(&machine, false);
    machine.refuses(
        &["bind", CARD],
        4,
        &["did not give", "no driver", "is as it was before"],
    );
    assert_eq!(machine.json(&["info", CARD])["driver"], "systole_old");
    drop(kernel);
    let wish = fs::read_to_string(machine.folder(CARD).join("driver_override"));
    // The kernel reads a line.
    assert_eq!(wish.expect("a file").lines().next(), Some(""));
}

#[test]
fn a_card_in_use_is_not_waited_for() {
    let machine = Machine::new();
    let link = machine.folder(CARD).join("driver");
    fs::remove_file(&link).expect("a link");
    symlink(machine.path("sys/bus/pci/drivers/vfio-pci"), &link).expect("it is free");
    let _done = busy(&machine, "vfio-pci");
    machine.refuses(&["unbind", CARD], 4, &["a program uses it", "fuser", CARD]);
}

/// Has who takes a card from `driver` wait, as in the kernel, until its last user is gone: the
/// file takes no request meanwhile. Returns what ends that: the card then has no driver.
fn busy<'a>(machine: &'a Machine, driver: &str) -> impl FnOnce() + use<'a> {
    let unbind = machine
        .path("sys/bus/pci/drivers")
        .join(driver)
        .join("unbind");
    fs::remove_file(&unbind).expect("a file");
    let made = Command::new("mkfifo").arg(&unbind).status();
    assert!(made.expect("mkfifo").success());
    move || {
        fs::remove_file(&unbind).expect("a pipe");
        machine.file(unbind, "");
        fs::remove_file(machine.folder(CARD).join("driver")).expect("a link");
    }
}

#[test]
fn a_card_whose_driver_lets_go_late_is_not_said_to_be_as_it_was() {
    // What is advised helps, whichever is taken.
    for (command, driver) in [("bind", "vfio-pci"), ("unbind", "systole_old")] {
        let machine = Machine::new();
        let done = busy(&machine, "systole_old");
        let words = [
            "systole_old",
            "a program uses it",
            "has no driver then",
            command,
        ];
        machine.refuses(&["bind", CARD], 4, &words);
        let output = machine.run(&["bind", CARD]);
        assert!(!said(&output).contains("as it was"), "{}", said(&output));
        // Another driver that looks for functions meanwhile is not to take it.
        let wish = fs::read_to_string(machine.folder(CARD).join("driver_override"));
        assert!(wish.expect("a file").starts_with("vfio-pci"));
        done();
        let kernel = Kernel::start(&machine);
        machine.json(&[command, CARD]);
        drop_until(&machine, driver);
        drop(kernel);
    }
}

#[test]
fn what_cannot_be_bound_is_explained() {
    let machine = Machine::new();
    machine.refuses(&["bind", FAR], 4, &["no IOMMU", "amd_iommu"]);
    machine.refuses(
        &["bind", "0000:09:00.0"],
        4,
        &["no PCI device 0000:09:00.0", "list --all"],
    );
    machine.refuses(&["bind", "disk"], 2, &["`disk`", "0000:01:00.0"]);
    fs::remove_dir_all(machine.path("sys/bus/pci/drivers/vfio-pci")).expect("a folder");
    machine.refuses(&["bind", CARD], 4, &["modprobe vfio-pci"]);
    fs::write(machine.folder(CARD).join("vendor"), "?").expect("a file");
    machine.refuses(&["info", CARD], 4, &["`vendor`", CARD]);
    fs::remove_dir_all(machine.path("sys/bus")).expect("a folder");
    machine.refuses(&["list"], 4, &["cannot be listed", "sys/bus/pci/devices"]);
}

#[test]
fn cards_are_reset() {
    let machine = Machine::new();
    machine.prints(&["reset", CARD], &[CARD, "was reset"]);
    let written = fs::read_to_string(machine.folder(CARD).join("reset"));
    assert!(written.expect("a file").starts_with('1'));
    fs::remove_file(machine.folder(CARD).join("reset")).expect("a file");
    machine.refuses(&["reset", CARD], 4, &["no way to reset"]);
}

#[test]
fn products_need_a_card_that_is_bound() {
    let run = |device: &str| {
        let args = ["info", "--json", "--device", device];
        Command::new(env!("CARGO_BIN_EXE_systole"))
            .args(args)
            .stdin(Stdio::null())
            .output()
            .expect("the program starts")
    };
    for (device, words) in [
        ("vfio:0000:fe:1f.7", &["0000:fe:1f.7", "device list"][..]),
        ("vfio-user:/nowhere/at/all", &["/nowhere/at/all"][..]),
    ] {
        let output = run(device);
        let json: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
        let error = json["card"]["error"].as_str().expect("no such card");
        for word in words {
            assert!(error.contains(word), "no `{word}` in: {error}");
        }
    }
    for device in ["vfio:", "vfio:1", "vfio-user:", "gpu"] {
        let output = run(device);
        assert_eq!(output.status.code(), Some(2), "{device}");
        assert!(said(&output).contains("0000:01:00.0"), "{}", said(&output));
    }
}
