//! The matrix unit of a processor: Intel's Advanced Matrix Extensions (AMX).
//!
//! In: numbers of 16 bits (bfloat16). Out: sums of their products, 32 bits.
//! The unit has eight tiles of 16 rows of 64 bytes. One instruction multiplies a
//! tile of `[16, 32]` bfloat16 by one of `[32, 16]` and adds the products to one of
//! `[16, 16]` sums: 8192 multiplications, where a 512-bit register has 16. Four
//! tiles of sums stay in the unit while two of each factor stream past.
//!
//! The factors pass through two tiles, not four; one of the right factor is loaded twice
//! for that. While the core's other thread has tiles in use too, or another virtual
//! machine's, there seem to be none left to rename to, and every tile that is written
//! more costs: on a Sapphire Rapids beside such a neighbour nearly half of the time. Alone,
//! two are as fast as four.
//!
//! References: Intel, *Architecture Instruction Set Extensions Programming
//! Reference*, chapter 3; Linux, `Documentation/arch/x86/xstate.rst`, which says how
//! a process asks for it. Rust has no stable intrinsics for it yet, hence assembly.

/// Rows of a tile, and sums in each.
pub(super) const ROWS: usize = 16;
/// Numbers in a row of the left factor, which are summed over.
pub(super) const DEPTH: usize = 32;
/// Numbers in a tile of a factor.
pub(super) const TILE: usize = ROWS * DEPTH;
/// Rows and columns of sums that are computed together: two tiles each way.
pub(super) const SQUARE: usize = 2 * ROWS;

/// What multiplies: proof that there is such a unit, and that the system lets this
/// process use it.
#[derive(Clone, Copy, Debug)]
pub enum MatrixUnit {
    /// Intel's.
    #[cfg(all(target_arch = "x86_64", target_pointer_width = "64", target_os = "linux"))]
    Amx(amx::Granted),
    /// Plain code that computes the same but for rounding, to hold the unit against and
    /// to test what uses it where there is none.
    #[cfg(test)]
    Plain,
}

/// The left factor, of which tiles are read where they lie.
#[derive(Clone, Copy)]
pub(super) struct Left<'a> {
    pub(super) cells: &'a [u16],
    /// Cells from one row of a tile to the next.
    pub(super) row: usize,
    /// Cells from one segment to the next.
    pub(super) segment: usize,
}

/// The right factor, packed: of each tile 16 rows, of each row 16 pairs of cells that
/// are multiplied by neighbours in the left one; tile after tile in the order that
/// they are summed in.
#[derive(Clone, Copy)]
pub(super) struct Right<'a> {
    pub(super) cells: &'a [u16],
    /// Where the tiles of the first sixteen columns begin, and those of the others.
    pub(super) starts: [usize; 2],
}

/// Where sums go.
pub(super) struct Sums<'a> {
    pub(super) cells: &'a mut [f32],
    /// Cells from row to row.
    pub(super) row: usize,
    /// Whether to add to what is there.
    pub(super) add: bool,
}

/// What is summed over: `segments` stretches of `steps` tiles.
#[derive(Clone, Copy)]
pub(super) struct Depth {
    pub(super) segments: usize,
    pub(super) steps: usize,
}

impl MatrixUnit {
    /// The unit, where this processor has one and the system lets it be used.
    pub fn new() -> Option<Self> {
        #[cfg(all(target_arch = "x86_64", target_pointer_width = "64", target_os = "linux"))]
        return amx::Granted::new().map(Self::Amx);
        #[cfg(not(all(target_arch = "x86_64", target_pointer_width = "64", target_os = "linux")))]
        None
    }

    /// For each pair of `starts`, where two tiles of `left` begin, the 32 rows of 32
    /// sums of their products with `right`: the first pair's to the first 32 rows of
    /// `sums`, and so on.
    ///
    /// # Panics
    /// Where a tile or a sum would lie outside its slice.
    #[cfg_attr(
        not(all(target_arch = "x86_64", target_pointer_width = "64", target_os = "linux")),
        allow(unused_variables, reason = "where there is no unit, nobody gets here")
    )]
    pub(super) fn multiply(
        self,
        left: Left<'_>,
        starts: &[[usize; 2]],
        right: Right<'_>,
        sums: Sums<'_>,
        depth: Depth,
    ) {
        let Depth { segments, steps } = depth;
        assert!(segments > 0 && steps > 0, "nothing to sum");
        let beyond = |parts: [(usize, usize); 3]| {
            parts.into_iter().try_fold(0_usize, |sum, (a, b)| sum.checked_add(a.checked_mul(b)?))
        };
        let ends = |start: usize, reach: Option<usize>, cells: usize| {
            reach.and_then(|reach| reach.checked_add(start)).is_some_and(|end| end <= cells)
        };
        let reach = beyond([(ROWS - 1, left.row), (segments - 1, left.segment), (steps, DEPTH)]);
        let packed = segments.checked_mul(steps).and_then(|tiles| tiles.checked_mul(TILE));
        let square = beyond([(SQUARE - 1, sums.row), (1, SQUARE), (0, 0)]);
        assert!(right.starts.iter().all(|&start| ends(start, packed, right.cells.len())), "right factor");
        assert!(sums.row >= SQUARE, "sums");
        assert!(
            starts.as_flattened().iter().all(|&start| ends(start, reach, left.cells.len())),
            "left factor"
        );
        let Sums { cells, row, add } = sums;
        let squares: Vec<&mut [f32]> = cells.chunks_mut(SQUARE * row).take(starts.len()).collect();
        assert!(squares.len() == starts.len(), "sums");
        assert!(squares.iter().all(|cells| ends(0, square, cells.len())), "sums");
        let squares = starts.iter().copied().zip(squares);
        match self {
            // SAFETY: that all tiles and sums lie inside their slices was asserted above.
            #[cfg(all(target_arch = "x86_64", target_pointer_width = "64", target_os = "linux"))]
            #[allow(unsafe_code, reason = "what it asks for was asserted")]
            Self::Amx(granted) => unsafe { granted.multiply(left, right, row, add, depth, squares) },
            #[cfg(test)]
            Self::Plain => plain(left, right, row, add, depth, squares),
        }
    }
}

#[cfg(test)]
fn plain<'s>(
    left: Left<'_>,
    right: Right<'_>,
    row: usize,
    add: bool,
    Depth { segments, steps }: Depth,
    squares: impl Iterator<Item = ([usize; 2], &'s mut [f32])>,
) {
    let number = |cell: u16| f32::from_bits(u32::from(cell) << 16);
    for (starts, square) in squares {
        for at in 0..SQUARE * SQUARE {
            let (m, n) = (at / SQUARE, at % SQUARE);
            let mut sum = 0.0;
            for step in 0..segments * steps {
                for k in 0..DEPTH {
                    let a = starts[m / ROWS] + m % ROWS * left.row;
                    let a = a + step / steps * left.segment + step % steps * DEPTH + k;
                    let b = right.starts[n / ROWS] + step * TILE + k / 2 * DEPTH + n % ROWS * 2 + k % 2;
                    sum += number(left.cells[a]) * number(right.cells[b]);
                }
            }
            let cell = &mut square[m * row + n];
            *cell = if add { *cell + sum } else { sum };
        }
    }
}

#[cfg(all(target_arch = "x86_64", target_pointer_width = "64", target_os = "linux"))]
#[allow(unsafe_code, reason = "assembly: the one way to this unit in stable Rust")]
mod amx {
    use std::{
        arch::{asm, x86_64::__cpuid_count},
        sync::OnceLock,
    };

    use super::{Depth, Left, ROWS, Right};

    /// What the system answered when it was asked for the unit: yes. Of the whole
    /// process, so that it may be sent to any thread of it.
    #[derive(Clone, Copy, Debug)]
    pub struct Granted(());

    // `arch_prctl` and what it is asked: leave to use a state component, that of the
    // tiles' data.
    const ARCH_PRCTL: usize = 158;
    const ARCH_REQ_XCOMP_PERM: usize = 0x1023;
    const TILE_DATA: usize = 18;

    /// Palette 1: bytes of a row of each tile from byte 16 on, two each; rows of each
    /// tile from byte 48 on.
    #[repr(C, align(64))]
    struct Configuration([u8; 64]);

    const CONFIGURATION: Configuration = {
        let mut bytes = [0; 64];
        bytes[0] = 1;
        let mut tile = 0;
        while tile < 6 {
            bytes[16 + 2 * tile] = 64;
            bytes[48 + tile] = ROWS as u8;
            tile += 1;
        }
        Configuration(bytes)
    };

    /// What the innermost loops look up between segments.
    #[repr(C)]
    struct Lengths {
        /// Bytes from the end of a segment to the start of the next.
        jump: isize,
        steps: usize,
        add: usize,
    }

    impl Granted {
        pub(super) fn new() -> Option<Self> {
            static ANSWER: OnceLock<bool> = OnceLock::new();
            let asked = || {
                // AMX-BF16 and AMX-TILE.
                const WANTED: u32 = 1 << 22 | 1 << 24;
                if __cpuid_count(0, 0).eax < 7 || __cpuid_count(7, 0).edx & WANTED != WANTED {
                    return false;
                }
                let refused: isize;
                // SAFETY: a system call that touches no memory; it overwrites rcx and r11.
                unsafe {
                    asm!(
                        "syscall",
                        inlateout("rax") ARCH_PRCTL as isize => refused,
                        in("rdi") ARCH_REQ_XCOMP_PERM,
                        in("rsi") TILE_DATA,
                        out("rcx") _,
                        out("r11") _,
                        options(nostack),
                    );
                }
                refused == 0
            };
            ANSWER.get_or_init(asked).then_some(Self(()))
        }

        /// As [`MatrixUnit::multiply`](super::MatrixUnit::multiply).
        ///
        /// # Safety
        /// All tiles of both factors and all sums lie inside their slices.
        pub(super) unsafe fn multiply<'s>(
            self,
            left: Left<'_>,
            right: Right<'_>,
            row: usize,
            add: bool,
            Depth { segments, steps }: Depth,
            squares: impl Iterator<Item = ([usize; 2], &'s mut [f32])>,
        ) {
            let lengths = Lengths {
                jump: 2 * left.segment as isize - 64 * steps as isize,
                steps,
                add: usize::from(add),
            };
            // SAFETY: the unit is there and granted. Until it is given back, this thread runs
            // nothing else that uses it.
            unsafe {
                asm!("ldtilecfg [{}]", in(reg) &CONFIGURATION, options(nostack));
            }
            for ([first, second], square) in squares {
                let upper = square.as_mut_ptr();
                // SAFETY: the caller's word that tiles and sums lie inside; they are configured
                // above.
                unsafe {
                    asm!(
                        "cmp qword ptr [{lengths} + 16], 0",
                        "jne 2f",
                        "tilezero tmm0",
                        "tilezero tmm1",
                        "tilezero tmm2",
                        "tilezero tmm3",
                        "jmp 3f",
                        "2:",
                        "tileloadd tmm0, [{upper} + {row}*1]",
                        "tileloadd tmm1, [{upper} + {row}*1 + 64]",
                        "tileloadd tmm2, [{lower} + {row}*1]",
                        "tileloadd tmm3, [{lower} + {row}*1 + 64]",
                        // Segments.
                        "3:",
                        "mov {step}, [{lengths} + 8]",
                        // Steps.
                        "4:",
                        "tileloadd tmm4, [{a} + {left_row}*1]",
                        "tileloadd tmm5, [{b} + {line}*1]",
                        "tdpbf16ps tmm0, tmm4, tmm5",
                        "tileloadd tmm5, [{b2} + {line}*1]",
                        "tdpbf16ps tmm1, tmm4, tmm5",
                        "tileloadd tmm4, [{a2} + {left_row}*1]",
                        "tdpbf16ps tmm3, tmm4, tmm5",
                        "tileloadd tmm5, [{b} + {line}*1]",
                        "tdpbf16ps tmm2, tmm4, tmm5",
                        "add {a}, 64",
                        "add {a2}, 64",
                        "add {b}, 1024",
                        "add {b2}, 1024",
                        "dec {step}",
                        "jnz 4b",
                        "add {a}, [{lengths}]",
                        "add {a2}, [{lengths}]",
                        "dec {segments}",
                        "jnz 3b",
                        "tilestored [{upper} + {row}*1], tmm0",
                        "tilestored [{upper} + {row}*1 + 64], tmm1",
                        "tilestored [{lower} + {row}*1], tmm2",
                        "tilestored [{lower} + {row}*1 + 64], tmm3",
                        lengths = in(reg) &lengths,
                        a = inout(reg) left.cells.as_ptr().add(first) => _,
                        a2 = inout(reg) left.cells.as_ptr().add(second) => _,
                        left_row = in(reg) 2 * left.row,
                        b = inout(reg) right.cells.as_ptr().add(right.starts[0]) => _,
                        b2 = inout(reg) right.cells.as_ptr().add(right.starts[1]) => _,
                        line = in(reg) 64_usize,
                        upper = in(reg) upper,
                        lower = in(reg) upper.add(ROWS * row),
                        row = in(reg) 4 * row,
                        step = out(reg) _,
                        segments = inout(reg) segments => _,
                        out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                        out("tmm4") _, out("tmm5") _,
                        options(nostack),
                    );
                }
            }
            // SAFETY: gives the tiles back; nothing of them is used from here on.
            unsafe {
                asm!("tilerelease", options(nostack, nomem));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of which products and sums are exact.
    fn small(count: usize, of: usize) -> Vec<u16> {
        (0..count)
            .map(|at| ((at * 7919 % of) as f32 - 2.0).to_bits())
            .map(|bits| (bits >> 16) as u16)
            .collect()
    }

    #[test]
    fn the_unit_multiplies_as_plain_code_does() {
        let Some(unit) = MatrixUnit::new() else {
            eprintln!("this processor has no matrix unit: not tested");
            return;
        };
        let (left, right) = (small(20_000, 7), small(20_000, 5));
        for (row, segment, segments, steps, add) in
            [(32, 0, 1, 1, false), (3, 100, 5, 1, true), (48, 481, 3, 5, false), (701, 0, 1, 12, true)]
        {
            let depth = Depth { segments, steps };
            let of = |unit: MatrixUnit| {
                let mut cells = vec![1.0; 3 * SQUARE * 40];
                unit.multiply(
                    Left { cells: &left, row, segment },
                    &[[0, 5], [17, 17], [300, 1]],
                    Right { cells: &right, starts: [64, 3] },
                    Sums { cells: &mut cells, row: 40, add },
                    depth,
                );
                cells
            };
            assert_eq!(of(unit), of(MatrixUnit::Plain));
        }
    }

    #[test]
    fn nothing_is_read_or_written_outside() {
        let unit = MatrixUnit::new().unwrap_or(MatrixUnit::Plain);
        let (left, right) = (small(600, 7), small(1024, 5));
        let depth = Depth { segments: 1, steps: 1 };
        let multiply = |starts: &[[usize; 2]], right_starts, row: usize, cells: usize| {
            let mut sums = vec![0.0; cells];
            let run = || {
                unit.multiply(
                    Left { cells: &left, row: 32, segment: 0 },
                    starts,
                    Right { cells: &right, starts: right_starts },
                    Sums { cells: &mut sums, row, add: false },
                    depth,
                );
            };
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_ok()
        };
        let whole = SQUARE * SQUARE;
        assert!(multiply(&[[0, 88]], [0, 512], SQUARE, whole));
        assert!(!multiply(&[[0, 89]], [0, 512], SQUARE, whole));
        assert!(!multiply(&[[usize::MAX, 0]], [0, 512], SQUARE, whole));
        assert!(!multiply(&[[0, 88]], [513, 0], SQUARE, whole));
        assert!(!multiply(&[[0, 88]], [0, 512], SQUARE - 1, whole));
        assert!(!multiply(&[[0, 88]], [0, 512], SQUARE, whole - 1));
        assert!(!multiply(&[[0, 88], [0, 0]], [0, 512], SQUARE, whole));
        // What was refused leaves nothing behind.
        assert!(multiply(&[[0, 88]], [0, 512], SQUARE, whole));
    }
}
