//! Faults of the network and of the processes at its ends, and their end.

@USES@
impl Environment {
    /// The wire breaks: who does not learn of it now finds out when no probe is answered. On a
    /// command socket only the coordinator probes. While bytes are on their way, there are no
    /// probes, and the coordinator must find out by itself.
    pub(crate) fn cut(&mut self, conn: usize, learns: [bool; 2]) {
        if self.conns[conn].cut_at.is_some() || !self.conns[conn].reached {
            return;
        }
        let Conn { owner, is_upgraded, .. } = self.conns[conn];
        for (side, learns) in learns.into_iter().enumerate() {
            let end = End { conn, side };
            self.cut_off(end);
            let reset = || Packet::End(CloseKind::Reset);
            if learns {
                self.send(end, reset());
                continue;
            }
            let packet = match owner {
                _ if owner[side] == Node::Coordinator => Packet::Silence,
                [Node::Coordinator, _] => reset(),
                _ if is_upgraded => reset(),
                _ => continue,
            };
            let silence = self.rng.between(15_000, 30_000);
            self.conns[conn].pipes[side].last_at += silence;
            self.send(end, packet);
        }
        self.conns[conn].cut_at = Some(self.now);
    }

    /// From here on everything gets through, and soon.
    pub(crate) fn calm_down(&mut self) {
        self.calm = true;
        for index in 0..self.conns.len() {
            let conn = &mut self.conns[index];
            conn.latency = conn.latency.min(5);
            for side in [0, 1] {
                let pipe = &mut self.conns[index].pipes[side];
                pipe.capacity = pipe.capacity.max(65_536);
                let has_room = pipe.is_blocked && pipe.unread_bytes < pipe.capacity;
                pipe.is_blocked &= !has_room;
                if has_room && self.conns[index].cut_at.is_none() {
                    self.notify(End { conn: index, side: 1 - side });
                }
            }
        }
    }

    /// Connections that both ends still hold.
    pub(crate) fn open_conns(&self) -> Vec<usize> {
        let is_open =
            |conn: &Conn| conn.reached && conn.closed == [false; 2] && conn.cut_at.is_none();
        let all = self.conns.iter().enumerate();
        all.filter(|(_, conn)| is_open(conn)).map(|(index, _)| index).collect()
    }

    /// All ends that a process holds, when it is gone: the system closes them, unless the whole
    /// machine is gone.
    pub(crate) fn abandon(&mut self, node: Node, with_machine: bool) {
        self.listeners.retain(|_, owner| *owner != node);
        self.forget(node);
        for conn in 0..self.conns.len() {
            for side in [0, 1] {
                if self.conns[conn].owner[side] == node {
                    if with_machine {
                        self.cut(conn, [false; 2]);
                    }
                    self.close(End { conn, side });
                }
            }
        }
    }
}
