//! The paper's twelve networks: parameters, layer shapes and recipes.
//!
//! The numbers stand here as the paper's table has them or as they follow from
//! its text by hand, so that the code cannot agree with itself alone.

#![allow(clippy::unwrap_used, reason = "helpers of tests may stop as tests may")]

use needledrop::network::experiment::{
    ConvBlock, LayerShape, NetworkSpec, Padding, SpecError, experiment, experiments,
};

fn layers(row: &str) -> Vec<LayerShape> {
    experiment(row).unwrap().network.layers().unwrap()
}

#[test]
fn every_row_has_the_papers_number_of_parameters() {
    let table = [
        ("1", 6_309_386),
        ("2", 6_309_386),
        ("3", 14_898_186),
        ("3R", 14_898_186),
        ("4", 3_511_434),
        ("4R", 3_511_434),
        ("5", 14_325_386),
        ("6", 4_494_474),
        ("7", 808_458),
        ("8", 2_125_322),
        ("9", 2_125_322),
        ("10", 2_207_242),
    ];
    let rows: Vec<String> = experiments().into_iter().map(|experiment| experiment.row).collect();
    assert_eq!(rows, table.map(|(row, _)| row));
    for (row, parameters) in table {
        assert_eq!(experiment(row).unwrap().network.parameters().unwrap(), parameters, "row {row}");
    }
    assert_eq!(experiment("11"), None);
}

#[test]
fn every_layer_has_the_shape_it_has_in_the_paper() {
    // Of each block the filters, then the map after the convolution and after
    // the pool; then the length of the flattened maps.
    type Maps = [usize; 2];
    type Block = (usize, Maps, Maps);
    fn square(filters: usize, convolved: usize, pooled: usize) -> Block {
        (filters, [convolved; 2], [pooled; 2])
    }
    let valid = |filters: [usize; 3]| {
        vec![square(filters[0], 126, 63), square(filters[1], 61, 30), square(filters[2], 28, 14)]
    };
    let same = [128, 64, 32, 16, 8, 4].map(|side| square(128, side, side / 2)).to_vec();
    let large = vec![
        (128, [220, 216], [110, 108]),
        (128, [110, 108], [55, 54]),
        (128, [55, 54], [27, 27]),
        (128, [27, 27], [13, 13]),
        (128, [13, 13], [6, 6]),
        (128, [6, 6], [3, 3]),
    ];
    let table: [(&str, Vec<Block>, usize, &[usize]); 12] = [
        ("1", vec![], 49_152, &[128, 128]),
        ("2", vec![], 49_152, &[128, 128]),
        ("3", valid([128; 3])[..2].to_vec(), 115_200, &[128]),
        ("3R", valid([128; 3])[..2].to_vec(), 115_200, &[128]),
        ("4", valid([128; 3]), 25_088, &[128]),
        ("4R", valid([128; 3]), 25_088, &[128]),
        ("5", valid([128, 256, 512]), 100_352, &[128]),
        ("6", same[..3].to_vec(), 32_768, &[128]),
        ("7", same.clone(), 512, &[128]),
        ("8", same.clone(), 512, &[128]),
        ("9", same, 512, &[128]),
        ("10", large, 1_152, &[128]),
    ];
    for (row, blocks, flattened, dense) in table {
        let mut expected = Vec::new();
        for (index, (filters, convolved, pooled)) in blocks.iter().enumerate() {
            expected.push((format!("conv{index}"), vec![*filters, convolved[0], convolved[1]]));
            expected.push((format!("pool{index}"), vec![*filters, pooled[0], pooled[1]]));
        }
        expected.push(("flatten".into(), vec![flattened]));
        expected
            .extend(dense.iter().enumerate().map(|(index, &width)| (format!("dense{index}"), vec![width])));
        expected.push(("logits".into(), vec![10]));
        let found: Vec<_> = layers(row).into_iter().map(|layer| (layer.name, layer.shape)).collect();
        assert_eq!(found, expected, "row {row}");
        assert_eq!(experiment(row).unwrap().network.embedding_length().unwrap(), 128, "row {row}");
    }
}

#[test]
fn kernels_dropout_and_l2_are_the_papers() {
    let table = [
        ("1", None, 0.0),
        ("2", None, 0.003),
        ("3", Some((3, 0.0)), 0.0),
        ("3R", Some((3, 0.0)), 0.003),
        ("4", Some((3, 0.0)), 0.0),
        ("4R", Some((3, 0.2)), 0.003),
        ("5", Some((3, 0.2)), 0.003),
        ("6", Some((3, 0.2)), 0.003),
        ("7", Some((3, 0.2)), 0.0),
        ("8", Some((5, 0.3)), 0.0),
        ("9", Some((5, 0.5)), 0.0),
        ("10", Some((5, 0.3)), 0.0),
    ];
    for (row, block, l2) in table {
        let experiment = experiment(row).unwrap();
        let blocks = &experiment.network.blocks;
        assert!(blocks.iter().all(|found| Some((found.kernel, found.dropout)) == block), "row {row}");
        assert_eq!((block.is_none(), experiment.l2), (blocks.is_empty(), l2), "row {row}");
        let (epochs, patience) = if block.is_none() { (20, None) } else { (200, Some(3)) };
        assert_eq!((experiment.epochs, experiment.patience), (epochs, patience), "row {row}");
    }
}

#[test]
fn row_8_takes_4784_million_operations_a_clip() {
    let convolutions: Vec<u64> =
        layers("8").iter().filter(|layer| layer.name.starts_with("conv")).map(|layer| layer.flops).collect();
    // 2 x inputs x filters x 5 x 5 x height x width
    let by_hand = [314_572_800, 3_355_443_200, 838_860_800, 209_715_200, 52_428_800, 13_107_200];
    assert_eq!(convolutions, by_hand);
    assert_eq!(experiment("8").unwrap().network.flops().unwrap(), 4_784_261_632);
}

#[test]
fn without_hidden_layers_the_flattened_maps_are_the_embedding() {
    let spec = NetworkSpec { dense: vec![], ..experiment("8").unwrap().network };
    assert_eq!(spec.embedding_length(), Ok(512));
    let linear = NetworkSpec { blocks: vec![], ..spec };
    assert_eq!(linear.embedding_length(), Ok(49_152));
}

fn row_8_with(change: impl FnOnce(&mut NetworkSpec)) -> Result<Vec<LayerShape>, SpecError> {
    let mut spec = experiment("8").unwrap().network;
    change(&mut spec);
    spec.layers()
}

#[test]
fn sizes_of_zero_are_refused() {
    let changes: [fn(&mut NetworkSpec); 7] = [
        |spec| spec.input[0] = 0,
        |spec| spec.input[1] = 0,
        |spec| spec.input[2] = 0,
        |spec| spec.dense = vec![128, 0],
        |spec| spec.classes = 0,
        |spec| spec.blocks[3].filters = 0,
        |spec| spec.blocks[3].kernel = 0,
    ];
    for change in changes {
        assert!(matches!(row_8_with(change), Err(SpecError::Setting(_))));
    }
}

#[test]
fn an_even_kernel_cannot_keep_the_maps_size() {
    assert!(matches!(row_8_with(|spec| spec.blocks[0].kernel = 4), Err(SpecError::Setting(_))));
    let valid = |spec: &mut NetworkSpec| {
        spec.blocks.truncate(1);
        spec.blocks[0] =
            ConvBlock { filters: 2, kernel: 4, padding: Padding::Valid, pool: [2, 2], dropout: 0.0 };
    };
    assert_eq!(row_8_with(valid).unwrap()[0].shape, [2, 125, 125]);
}

#[test]
fn a_dropout_that_is_no_share_is_refused() {
    for dropout in [-0.1, 1.0, f64::NAN, f64::INFINITY] {
        let refused = row_8_with(|spec| spec.blocks[5].dropout = dropout);
        assert!(matches!(refused, Err(SpecError::Setting(_))), "{dropout}");
    }
}

#[test]
fn a_map_too_small_for_its_block_is_refused() {
    let seventh = |spec: &mut NetworkSpec| spec.blocks.push(spec.blocks[0]);
    assert!(row_8_with(seventh).is_ok(), "2 x 2 can be pooled once more");
    let eighth = |spec: &mut NetworkSpec| spec.blocks.extend([spec.blocks[0]; 2]);
    assert_eq!(row_8_with(eighth), Err(SpecError::MapTooSmall { block: 7, height: 1, width: 1 }));
    let valid = |spec: &mut NetworkSpec| spec.blocks[5].padding = Padding::Valid;
    assert_eq!(row_8_with(valid), Err(SpecError::MapTooSmall { block: 5, height: 4, width: 4 }));
}

#[test]
fn networks_beyond_any_use_are_refused() {
    let too_large: [fn(&mut NetworkSpec); 5] = [
        |spec| spec.dense = vec![65_536; 64],
        |spec| spec.input = [65_536, 256, 256],
        |spec| spec.input = [3, 65_536, 65_536],
        // Few parameters and cells, but weeks of arithmetic.
        |spec| (spec.input, spec.blocks[0].kernel) = ([3, 2048, 2048], 1023),
        |spec| {
            for block in &mut spec.blocks {
                (block.filters, block.kernel) = (65_536, 1023);
            }
        },
    ];
    for change in too_large {
        let refused = row_8_with(change);
        assert!(matches!(refused, Err(SpecError::TooLarge { .. })), "{refused:?}");
    }
    let beyond_limits: [fn(&mut NetworkSpec); 6] = [
        |spec| spec.input = [usize::MAX; 3],
        |spec| spec.dense = vec![usize::MAX; 3],
        |spec| spec.classes = usize::MAX,
        |spec| spec.blocks[0].filters = usize::MAX,
        |spec| spec.blocks[0].kernel = usize::MAX,
        |spec| spec.blocks = vec![spec.blocks[0]; 65],
    ];
    for change in beyond_limits {
        assert!(matches!(row_8_with(change), Err(SpecError::Setting(_))));
    }
}
