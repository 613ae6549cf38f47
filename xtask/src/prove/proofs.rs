//! What is proved.

/// A block, what is said of it in `hdl/proofs/NAME.sv`, and how that is proved.
pub struct Proof {
    /// Name of the block and of its file.
    pub name: &'static str,
    /// What is proved, in a few words.
    pub property: &'static str,
    /// Steps of the induction.
    pub depth: u32,
    /// It takes seconds.
    pub quick: bool,
    /// Cells of these types are cut out of the block, separated by spaces: they give any number.
    pub cuts: &'static str,
    /// Changes of the block that the proof must refuse: a text of its Verilog, and another.
    pub mutants: &'static [(&'static str, &'static str)],
}

/// All proofs.
pub const PROOFS: &[Proof] = &[
    Proof {
        name: "fifo",
        property: "nothing is lost, doubled, changed or out of turn",
        depth: 1,
        quick: true,
        cuts: "",
        mutants: &[
            (
                "store[tail[1:0]] <= push_data",
                "store[head[1:0]] <= push_data",
            ),
            ("head <= head + 3'd1", "head <= head + 3'd2"),
            ("(head[2] != tail[2]) &&", ""),
        ],
    },
    Proof {
        name: "line_fifo",
        property: "nothing is lost, doubled, changed or out of turn",
        depth: 1,
        quick: true,
        cuts: "",
        mutants: &[
            ("word_0[tail[1:0]] <=", "word_0[head[1:0]] <="),
            ("quarters = marks[head[1:0]]", "quarters = marks[tail[1:0]]"),
        ],
    },
    Proof {
        name: "line_queue",
        property: "the same, and no read meets a write",
        depth: 1,
        quick: true,
        cuts: "",
        mutants: &[
            ("full <= move || (full && !pop)", "full <= move || full"),
            (
                "(head != tail) && (!arrived || move)",
                "(head != tail) && move",
            ),
            ("if (move) line <=", "if (arrived) line <="),
        ],
    },
    Proof {
        name: "shown_fifo",
        property: "the same, and what is shown is the oldest value",
        depth: 1,
        quick: true,
        cuts: "",
        mutants: &[
            ("& (~pop)", ""),
            ("head <= head + 3'd1", "head <= head + 3'd2"),
        ],
    },
    Proof {
        name: "line_slice",
        property: "the same of a register stage of two lines",
        depth: 1,
        quick: true,
        cuts: "",
        mutants: &[
            (
                "reads_second_q <= (~reads_second_q)",
                "reads_second_q <= reads_second_q",
            ),
            ("second_full_q <= 1'd1", "second_full_q <= 1'd0"),
        ],
    },
    Proof {
        name: "word_queue",
        property: "committed words come out in their turn and lane, others never",
        depth: 1,
        quick: true,
        cuts: "",
        mutants: &[
            ("row <= drop ? done :", "row <= drop ? row :"),
            ("(!valid || pop)", "!valid"),
            ("at > 1'd0", "1'd0"),
            ("used <= 3'd2", "used <= 3'd3"),
        ],
    },
    Proof {
        name: "transmit",
        property: "packets stay whole; nobody waits for more than two others",
        depth: 1,
        quick: true,
        cuts: "",
        mutants: &[
            ("if (inside_q)", "if ((inside_q & (~cpl_valid)))"),
            ("(inside_q | (~hold))", "1'd1"),
            ("((~valid_q) | tx_ready)", "1'd1"),
            ("(turn_q != 2'd2) | (~read_valid)", "1'd1 | (~read_valid)"),
        ],
    },
    Proof {
        name: "tokens",
        property: "counts are exact; one start a cycle, in rank, with tokens",
        depth: 1,
        quick: true,
        cuts: "",
        mutants: &[
            ("overflow = then[8]", "overflow = then[9]"),
            ("& (~missing_gemm_16)", ""),
            ("(~go_load)) & (~go_gemm))", "(~go_load)))"),
        ],
    },
    Proof {
        name: "queues",
        property: "no index out of step, nothing taken that is not there, fair turns",
        depth: 3,
        quick: true,
        cuts: "",
        mutants: &[
            ("& (~moved_1_q))", "& 1'd1)"),
            ("(waiting_0 & (~moving_0))", "waiting_0"),
            ("(enable_0 & (~broken_0_q))", "enable_0"),
            ("(number_2 > turn_q)", "(number_2 <= turn_q)"),
            (
                "(ended | ((~running) & (~may_take)))",
                "((~running) & (~may_take))",
            ),
        ],
    },
    Proof {
        name: "local_port",
        property: "masters take turns, all that comes has room, nothing is begun in vain",
        depth: 1,
        quick: true,
        cuts: "t:$memrd* t:$memwr*",
        mutants: &[
            ("((~e_asks) | ar_turn_q)", "1'd1"),
            ("((~w_writes_q) | (~aw_turn_q))", "1'd1"),
            ("& (~e_took_q))", "& 1'd1)"),
            ("& (reads_q == 16'd0)", "& 1'd1"),
            ("most_lines = 16'hfd", "most_lines = 16'h100"),
            ("& (e_complete_q != 16'd0)", "& 1'd1"),
            ("(w_answers_used_q != answers)", "1'd1"),
        ],
    },
    Proof {
        name: "split",
        property: "one side at a time, only with room, data follows its address",
        depth: 1,
        quick: true,
        cuts: "",
        mutants: &[
            ("& ar_local) & reads_room", "& ar_local)"),
            ("& (~sending_q)", ""),
            ("l_wvalid = (m_wvalid & w_local)", "l_wvalid = m_wvalid"),
        ],
    },
    Proof {
        name: "check",
        property: "a good command stays within its buffers",
        depth: 6,
        quick: true,
        cuts: "t:$mul",
        mutants: &[
            ("(gemm_acc_end_q > acc_rows)", "(gemm_acc_end_q > act_rows)"),
            ("buffer_lines_1 = 33'h1000", "buffer_lines_1 = 33'h1001"),
        ],
    },
    Proof {
        name: "sdram",
        property: "commands keep the times of the chip, refreshes are not late",
        depth: 20,
        quick: false,
        cuts: "",
        mutants: &[
            ("t_rcd = 4'h1;", "t_rcd = 4'h0;"),
            ("recovery = 4'h9", "recovery = 4'h8"),
            ("turn = 4'hb", "turn = 4'ha"),
            ("interval = 11'b1100001100", "interval = 11'b1100101100"),
        ],
    },
];
