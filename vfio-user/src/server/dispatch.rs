//! Commands of the client: checked, handed to the device, answered.

use std::io;
use std::os::fd::AsFd;

use super::Session;
use crate::Errno;
use crate::device::{
    Description, Device, DmaMap, IrqAction, IrqData, IrqFlags, IrqSet, Region, RegionFlags,
};
use crate::message::{
    Command, DeviceInfo, DmaMapRequest, DmaUnmapRequest, Header, IrqInfo, RegionAccess, RegionInfo,
    RegionInfoRequest, Select, SetIrqs, UNMAP_ALL, WriteMulti,
};
use crate::socket::{Fault, Message};

/// A command that is refused.
type Refused = Errno;

/// What goes back to the client.
#[derive(Default)]
struct Answer {
    fields: Vec<u8>,
    data: Vec<u8>,
    /// The region whose file goes along.
    file_of: Option<u32>,
}

impl From<Vec<u8>> for Answer {
    fn from(fields: Vec<u8>) -> Self {
        Self {
            fields,
            ..Self::default()
        }
    }
}

impl Session {
    /// Handles one command and answers it, once.
    ///
    /// # Errors
    /// When the answer cannot be sent.
    pub(super) fn handle(
        &mut self,
        description: &Description,
        device: &mut dyn Device,
        message: Message,
    ) -> io::Result<()> {
        let header = message.header;
        match self.answer(description, device, message) {
            Ok(answer) => {
                let mapping = answer
                    .file_of
                    .and_then(|index| description.regions.get(index as usize)?.mapping.as_ref());
                let fds = mapping.map(|mapping| mapping.file.as_fd());
                let parts = [&answer.fields[..], &answer.data[..]];
                self.calls.reply(&header, parts, fds.as_slice())
            }
            Err(errno) => self.calls.refuse(&header, errno),
        }
    }

    fn answer(
        &mut self,
        description: &Description,
        device: &mut dyn Device,
        message: Message,
    ) -> Result<Answer, Refused> {
        match message.fault {
            None => {}
            Some(Fault::Oversize) => return Err(Errno::TOOBIG),
            Some(Fault::Descriptors) => return Err(Errno::INVAL),
        }
        let Header { command, .. } = message.header;
        let command = Command::from_number(command).ok_or(Errno::NOTSUP)?;
        let carries_fds = matches!(command, Command::DmaMap | Command::DeviceSetIrqs);
        let allowed = if carries_fds {
            self.options.capabilities().max_msg_fds as usize
        } else {
            0
        };
        if message.fds.len() > allowed || message.header.has_foreign_flags() {
            return Err(Errno::INVAL);
        }
        let payload = &message.payload[..];
        match command {
            Command::DmaMap => self.dma_map(device, message),
            Command::DmaUnmap => self.dma_unmap(device, payload),
            Command::DeviceGetInfo => {
                DeviceInfo::decode(payload).or(Err(Errno::INVAL))?;
                Ok(device_info(description).encode().into())
            }
            Command::DeviceGetRegionInfo => region_info(description, payload),
            Command::DeviceGetIrqInfo => irq_info(description, payload),
            Command::DeviceSetIrqs => set_irqs(description, device, message),
            Command::RegionRead => self.region_read(description, device, payload),
            Command::RegionWrite => self.region_write(description, device, payload),
            Command::RegionWriteMulti => write_multi(description, device, payload),
            Command::DeviceReset if !payload.is_empty() => Err(Errno::INVAL),
            Command::DeviceReset if !description.resettable => Err(Errno::NOTTY),
            Command::DeviceReset => device.reset().map(|()| Answer::default()),
            // The version was agreed on before.
            Command::Version => Err(Errno::INVAL),
            // Accesses to memory go the other way; the rest is not there.
            Command::DmaRead
            | Command::DmaWrite
            | Command::DeviceGetRegionIoFds
            | Command::DirtyPages => Err(Errno::NOTSUP),
        }
    }

    fn dma_map(&mut self, device: &mut dyn Device, message: Message) -> Result<Answer, Refused> {
        let request = DmaMapRequest::decode(&message.payload).or(Err(Errno::INVAL))?;
        let mut fds = message.fds;
        let file = fds.pop();
        if !fds.is_empty() {
            return Err(Errno::INVAL);
        }
        let options = &self.options;
        self.mappings
            .check(&request, options.pgsizes, options.max_dma_maps)?;
        device.dma_map(DmaMap {
            flags: request.flags,
            iova: request.iova,
            length: request.length,
            offset: request.offset,
            file,
        })?;
        self.mappings.insert(request.iova, request.length);
        Ok(Answer::default())
    }

    /// Takes away what lies within the range, which may be nothing, as the kernel's driver does.
    fn dma_unmap(&mut self, device: &mut dyn Device, payload: &[u8]) -> Result<Answer, Refused> {
        let request = DmaUnmapRequest::decode(payload).or(Err(Errno::INVAL))?;
        let ranges = match request.flags {
            0 => self.mappings.within(request.iova, request.length)?,
            UNMAP_ALL => self.mappings.all(),
            _ => return Err(Errno::NOTSUP),
        };
        for (iova, length) in ranges {
            device.dma_unmap(iova, length)?;
            self.mappings.remove(iova);
        }
        Ok(request.encode().into())
    }

    fn region_read(
        &self,
        description: &Description,
        device: &mut dyn Device,
        payload: &[u8],
    ) -> Result<Answer, Refused> {
        let access = RegionAccess::decode(payload).or(Err(Errno::INVAL))?;
        self.check_count(&access)?;
        check_access(description, &access, RegionFlags::READ)?;
        let mut data = vec![0; access.count as usize];
        device.region_read(access.region, access.offset, &mut data)?;
        Ok(Answer {
            fields: access.encode(),
            data,
            file_of: None,
        })
    }

    fn region_write(
        &self,
        description: &Description,
        device: &mut dyn Device,
        payload: &[u8],
    ) -> Result<Answer, Refused> {
        let (access, data) = RegionAccess::decode_with_data(payload).or(Err(Errno::INVAL))?;
        self.check_count(&access)?;
        check_access(description, &access, RegionFlags::WRITE)?;
        device.region_write(access.region, access.offset, data)?;
        Ok(access.encode().into())
    }

    fn check_count(&self, access: &RegionAccess) -> Result<(), Refused> {
        if access.count > self.options.capabilities().max_data_xfer_size {
            return Err(Errno::TOOBIG);
        }
        Ok(())
    }
}

fn device_info(description: &Description) -> DeviceInfo {
    DeviceInfo {
        resettable: description.resettable,
        pci: true,
        regions: description.regions.len() as u32,
        irqs: description.irqs.len() as u32,
    }
}

fn region(description: &Description, index: u32) -> Result<&Region, Refused> {
    let region = description.regions.get(index as usize);
    region.ok_or(Errno::INVAL)
}

fn region_info(description: &Description, payload: &[u8]) -> Result<Answer, Refused> {
    let request = RegionInfoRequest::decode(payload).or(Err(Errno::INVAL))?;
    let region = region(description, request.index)?;
    let mapping = region.mapping.as_ref();
    let info = RegionInfo {
        index: request.index,
        flags: region.flags,
        mappable: mapping.is_some(),
        size: region.size,
        offset: mapping.map_or(0, |mapping| mapping.offset),
        areas: mapping.map_or(Vec::new(), |mapping| mapping.areas.clone()),
        msix_mappable: region.msix_mappable,
    };
    let (fields, whole) = info.encode(request.argsz);
    // A client without room for the capabilities asks again and would get the file twice.
    let file_of = (whole && mapping.is_some()).then_some(request.index);
    Ok(Answer {
        fields,
        data: Vec::new(),
        file_of,
    })
}

fn irq_info(description: &Description, payload: &[u8]) -> Result<Answer, Refused> {
    let request = IrqInfo::decode(payload).or(Err(Errno::INVAL))?;
    let irq = description.irqs.get(request.index as usize);
    let irq = irq.ok_or(Errno::INVAL)?;
    let info = IrqInfo {
        index: request.index,
        flags: irq.flags,
        count: irq.count,
    };
    Ok(info.encode().into())
}

fn set_irqs(
    description: &Description,
    device: &mut dyn Device,
    message: Message,
) -> Result<Answer, Refused> {
    let request = SetIrqs::decode(&message.payload).or(Err(Errno::INVAL))?;
    let irq = description.irqs.get(request.index as usize);
    let irq = irq.ok_or(Errno::INVAL)?;
    // The sum was checked when the request was decoded.
    if request.start + request.count > irq.count {
        return Err(Errno::INVAL);
    }
    let masks = request.action != IrqAction::Trigger;
    if masks && !irq.flags.contains(IrqFlags::MASKABLE) {
        return Err(Errno::NOTTY);
    }
    let fds = message.fds;
    let data = match request.select {
        Select::EventFds if !irq.flags.contains(IrqFlags::EVENTFD) => return Err(Errno::NOTTY),
        Select::EventFds if fds.is_empty() || fds.len() == request.count as usize => {
            IrqData::EventFds(fds)
        }
        Select::All if fds.is_empty() => IrqData::None,
        Select::These(which) if fds.is_empty() => IrqData::Bool(which),
        _ => return Err(Errno::INVAL),
    };
    device.set_irqs(IrqSet {
        index: request.index,
        action: request.action,
        start: request.start,
        count: request.count,
        data,
    })?;
    Ok(Answer::default())
}

/// Whether the access lies within its region and is of a kind that the region allows.
fn check_access(
    description: &Description,
    access: &RegionAccess,
    kind: RegionFlags,
) -> Result<(), Refused> {
    let region = region(description, access.region)?;
    let end = access.offset.checked_add(access.count.into());
    if access.count == 0 || end.is_none_or(|end| end > region.size) {
        return Err(Errno::INVAL);
    }
    if !region.flags.contains(kind) {
        return Err(Errno::ACCES);
    }
    Ok(())
}

/// Does the writes up to the first one that fails. Only where that is the very first one the
/// client is told of an error, otherwise of the number of those that were done.
fn write_multi(
    description: &Description,
    device: &mut dyn Device,
    payload: &[u8],
) -> Result<Answer, Refused> {
    let request = WriteMulti::decode(payload).or(Err(Errno::INVAL))?;
    let mut done = 0;
    for (access, data) in &request.writes {
        let one = check_access(description, access, RegionFlags::WRITE).and_then(|()| {
            device.region_write(access.region, access.offset, &data[..access.count as usize])
        });
        match one {
            Ok(()) => done += 1,
            Err(errno) if done == 0 => return Err(errno),
            Err(_) => break,
        }
    }
    Ok(WriteMulti::encode_reply(done).into())
}
