//! The words the shop is made of.

/// What a shelf sells and how it is talked about.
pub struct Shelf {
    /// The name in URLs.
    pub slug: &'static str,
    /// The name for people.
    pub name: &'static str,
    /// One sentence for the shelf.
    pub blurb: &'static str,
    /// What the things are called, with the lowest and the highest price in whole euros.
    pub kinds: [(&'static str, u64, u64); 4],
    /// What they are made of, with a sentence about it.
    pub materials: [(&'static str, &'static str); 5],
    /// Openings: what the thing is for. `{kind}` is its kind.
    pub openings: [&'static str; 4],
    /// How to live with it.
    pub care: [&'static str; 3],
    /// Short facts.
    pub facts: [&'static str; 6],
}

/// First words of names: places on a shore that may not be on your map.
pub const PLACES: [&str; 48] = [
    "Anstey", "Birling", "Cawsand", "Dunmore", "Elver", "Farne", "Gorran", "Helford", "Inver",
    "Jura", "Kelda", "Lundy", "Morwen", "Nare", "Orrin", "Penrose", "Quay", "Rame", "Sennen",
    "Tarn", "Ulla", "Veryan", "Wick", "Yarrow", "Zennor", "Amble", "Brora", "Cromer", "Dunlin",
    "Eddy", "Fulmar", "Gannet", "Holm", "Islay", "Keel", "Linnet", "Marram", "Noss", "Osprey",
    "Petrel", "Redwing", "Samphire", "Tern", "Unst", "Voe", "Whin", "Skerry", "Sandling",
];

/// Colours: their name and the three tones a picture is painted in (light, full, deep).
pub const COLOURS: [(&str, [u32; 3]); 8] = [
    ("Chalk", [0xf1ece2, 0xe3dac9, 0xa89b84]),
    ("Slate", [0xd9dee2, 0x6d7f8b, 0x36454f]),
    ("Sea green", [0xd3e6df, 0x4f9a8b, 0x1f5a52]),
    ("Rust", [0xf2dccf, 0xc0633c, 0x7c3819]),
    ("Mustard", [0xf5e8c6, 0xd9a531, 0x8f6714]),
    ("Navy", [0xd5dcea, 0x3b5684, 0x1c2c4c]),
    ("Moss", [0xe1e6cf, 0x7f8f4a, 0x475221]),
    ("Blush", [0xf6e0de, 0xd98f86, 0x96534c]),
];

/// Who makes things.
pub const MAKERS: [&str; 14] = [
    "Ropewalk Works",
    "Oster & Daughter",
    "Pilot House",
    "Low Water Studio",
    "Kittiwake Bros.",
    "The Net Loft",
    "Halyard & Hart",
    "North Mole",
    "Saltpan Yard",
    "Beacon Hill",
    "Ferrier's Yard",
    "Two Tides",
    "Groyne Street",
    "Chandler Row",
];

/// Last sentences: about the maker. `{maker}` is its name.
pub const CLOSINGS: [&str; 5] = [
    "{maker} makes it in small runs, and numbers every one.",
    "Made by {maker}, who will mend it for as long as there are hands to do it.",
    "{maker} has made it the same way since the second prototype, because the first one was nearly right.",
    "It comes from {maker}, four people and a dog in a shed with a very good view.",
    "{maker} packs each one in straw and yesterday's tide tables.",
];

/// The shelves, in the order of the menu.
pub const SHELVES: [Shelf; 8] = [
    Shelf {
        slug: "lamps",
        name: "Lamps & Lanterns",
        blurb: "Warm light for long evenings, indoors and on the step.",
        kinds: [
            ("Table Lamp", 68, 160),
            ("Storm Lantern", 48, 120),
            ("Reading Lamp", 75, 190),
            ("Pendant", 90, 240),
        ],
        materials: [
            (
                "Brass",
                "The brass is left unlacquered, so that it darkens where you touch it and stays bright where you do not.",
            ),
            (
                "Linen",
                "The linen shade is sewn, not glued, and turns a bare bulb into late afternoon.",
            ),
            (
                "Ceramic",
                "The ceramic is thrown by hand and glazed twice, thin enough at the rim to glow.",
            ),
            (
                "Oak",
                "The oak is turned from offcuts of boat frames and finished with hard wax oil.",
            ),
            (
                "Paper",
                "The paper is made from flax, tear-proof, and folds flat for moving house.",
            ),
        ],
        openings: [
            "A {kind} for the corner where the day ends.",
            "The {kind} we kept carrying from room to room, until we made a second one.",
            "Put this {kind} in a window and someone will find their way home by it.",
            "A quiet {kind} with one switch, and a light you can talk beside.",
        ],
        care: [
            "Dust it with a dry brush.",
            "Wipe it with a soft cloth; it does not want polish.",
            "Takes a dimmable E27 bulb of up to 8 W.",
        ],
        facts: [
            "Dimmable",
            "Cable of woven cotton, 2.2 m",
            "E27 bulb included",
            "Weighted foot",
            "Switch on the cable",
            "Height 38 cm",
        ],
    },
    Shelf {
        slug: "mugs",
        name: "Mugs & Jugs",
        blurb: "Things to hold with both hands when the wind is up.",
        kinds: [
            ("Mug", 16, 34),
            ("Pouring Jug", 28, 62),
            ("Tumbler", 14, 28),
            ("Teapot", 42, 98),
        ],
        materials: [
            (
                "Stoneware",
                "The stoneware is fired to 1,280 degrees, and shrugs at dishwashers.",
            ),
            (
                "Porcelain",
                "The porcelain is thin enough to show the shadow of your fingers, and tougher than it looks.",
            ),
            (
                "Enamel",
                "The enamel is on steel: drop it and it keeps a story, not a crack.",
            ),
            (
                "Salt-glazed",
                "Salt thrown into the kiln makes the glaze, so no two have the same freckles.",
            ),
            (
                "Terracotta",
                "The terracotta is glazed inside and left bare outside, warm and a little rough.",
            ),
        ],
        openings: [
            "A {kind} with a wide foot, for tables that move.",
            "This {kind} holds as much as you hope and as little as you should.",
            "The {kind} that everyone at the workshop reaches for first.",
            "An honest {kind}: it keeps the heat in and the handle cool.",
        ],
        care: [
            "Dishwasher safe.",
            "Microwave safe, though it would rather not.",
            "Rinse it before first use.",
        ],
        facts: [
            "Holds 350 ml",
            "Dishwasher safe",
            "Stacks",
            "Glazed by hand",
            "Lead-free glaze",
            "Foot ground smooth",
        ],
    },
    Shelf {
        slug: "bags",
        name: "Bags & Packs",
        blurb: "Carried to the beach, the market and the night train.",
        kinds: [
            ("Tote", 38, 92),
            ("Day Pack", 78, 185),
            ("Satchel", 95, 220),
            ("Roll-top", 84, 175),
        ],
        materials: [
            (
                "Canvas",
                "The canvas is 18 ounces to the yard, waxed on the outside, and gets better with rain.",
            ),
            (
                "Sailcloth",
                "The sailcloth has been round the bay a few hundred times; stains are part of the log.",
            ),
            (
                "Leather",
                "The leather is tanned with bark and will take the shape of what you carry.",
            ),
            (
                "Ripstop",
                "The ripstop is woven from old nets and weighs less than what you keep in its pocket.",
            ),
            (
                "Wool Felt",
                "The felt is pressed from coarse wool and keeps its shape without a frame.",
            ),
        ],
        openings: [
            "A {kind} for one good day: lunch, a jumper, a book, and what you find.",
            "This {kind} opens wide, closes with one hand, and stands up by itself.",
            "We drew this {kind} around a loaf of bread and a laptop, in that order.",
            "The {kind} that hangs by the door and is never there.",
        ],
        care: [
            "Brush it off when it is dry.",
            "Wipe it with a damp cloth; never a machine.",
            "Re-wax it once a winter.",
        ],
        facts: [
            "Volume 18 litres",
            "Inside pocket with a key loop",
            "Solid brass hardware",
            "Double-stitched straps",
            "Fits a 15-inch laptop",
            "Repairs for life",
        ],
    },
    Shelf {
        slug: "knitwear",
        name: "Knitwear",
        blurb: "Jumpers, caps and scarves that know what weather is.",
        kinds: [
            ("Jumper", 95, 210),
            ("Cardigan", 110, 235),
            ("Gansey", 140, 260),
            ("Sweater Vest", 72, 140),
        ],
        materials: [
            (
                "Lambswool",
                "The lambswool is spun in the oil, which keeps off drizzle and questions.",
            ),
            (
                "Merino",
                "The merino is fine enough to wear on the skin and warm enough to wear alone.",
            ),
            (
                "Cotton",
                "The cotton is combed and heavy, for summers that are really springs.",
            ),
            (
                "Alpaca",
                "The alpaca is brushed, light, and very hard to take off.",
            ),
            (
                "Donegal",
                "The yarn is Donegal, with flecks like a beach seen from the cliff.",
            ),
        ],
        openings: [
            "A {kind} to put on before you look out of the window.",
            "This {kind} has sleeves long enough for cold mornings and cuffs that stay where you push them.",
            "The {kind} of someone who knows the harbour master.",
            "A plain {kind}, knitted in the round, with nothing to catch on a rope.",
        ],
        care: [
            "Wash it by hand in cool water and dry it flat.",
            "Air it overnight; it seldom needs washing.",
            "Fold it, do not hang it.",
        ],
        facts: [
            "Knitted in the round",
            "Ribbed cuffs and hem",
            "Mulesing-free wool",
            "Sizes S to XL, true to size",
            "Spare yarn in the pocket",
            "No side seams",
        ],
    },
    Shelf {
        slug: "notebooks",
        name: "Paper & Notebooks",
        blurb: "For lists, logs and letters that will be sent.",
        kinds: [
            ("Notebook", 12, 32),
            ("Log Book", 18, 42),
            ("Sketchbook", 22, 48),
            ("Diary", 16, 36),
        ],
        materials: [
            (
                "Cloth-bound",
                "The cover is book cloth over board, with corners that survive pockets.",
            ),
            (
                "Thread-sewn",
                "Sixteen sheets a section, sewn through the fold, so that it lies flat from the first page to the last.",
            ),
            (
                "Recycled",
                "The paper was coffee cups once; it takes ink without bleeding.",
            ),
            (
                "Kraft",
                "The kraft cover is oiled, wears at the spine, and shows where it has been.",
            ),
            (
                "Letterpress",
                "The cover is printed on a press from 1911 that only one person may touch.",
            ),
        ],
        openings: [
            "A {kind} for things worth writing twice.",
            "This {kind} fits a coat pocket and opens flat on a knee.",
            "The {kind} for the person who still writes down the wind.",
            "A {kind} with good paper, no quotes on the cover, and a ribbon.",
        ],
        care: [
            "Write in it.",
            "Keep it dry, or let it dry slowly.",
            "Takes fountain pens, pencils and a light wash.",
        ],
        facts: [
            "160 pages, 100 g paper",
            "Dotted",
            "Ribbon marker",
            "Lies flat",
            "Pocket at the back",
            "Elastic band",
        ],
    },
    Shelf {
        slug: "chairs",
        name: "Chairs & Stools",
        blurb: "A good place to sit, and another for whoever comes by.",
        kinds: [
            ("Chair", 180, 420),
            ("Stool", 85, 190),
            ("Rocker", 320, 640),
            ("Bench Seat", 210, 460),
        ],
        materials: [
            (
                "Ash",
                "The ash is steam-bent, light enough to lift with two fingers.",
            ),
            (
                "Oak",
                "The oak has stood outside for three winters before it is cut, and holds still ever after.",
            ),
            (
                "Beech",
                "The beech is turned and pegged, with no screw anywhere.",
            ),
            (
                "Larch",
                "The larch smells of the forest for a year, and of the house after that.",
            ),
            (
                "Elm",
                "The elm is saved from storm-fallen trees; its grain never runs straight.",
            ),
        ],
        openings: [
            "A {kind} that does not mind being leaned back on.",
            "This {kind} is for kitchens where people stay after dinner.",
            "The {kind} you pull up to the window.",
            "A {kind} made to be inherited, or at least argued over.",
        ],
        care: [
            "Oil it once a year.",
            "Wipe up spills; rings are forgiven.",
            "Tighten nothing: the joints are pegged.",
        ],
        facts: [
            "Seat height 45 cm",
            "Carries 150 kg",
            "Pegged joints",
            "Hard wax oil",
            "Felt under the feet",
            "Assembled",
        ],
    },
    Shelf {
        slug: "pots",
        name: "Pots & Planters",
        blurb: "Homes for things that grow, with or without your help.",
        kinds: [
            ("Planter", 24, 78),
            ("Pot", 14, 46),
            ("Hanging Planter", 28, 64),
            ("Window Box", 36, 88),
        ],
        materials: [
            ("Terracotta", "The terracotta breathes, so that roots do."),
            ("Stoneware", "The stoneware takes frost and says nothing."),
            (
                "Zinc",
                "The zinc comes bright and goes grey, like everything by the sea.",
            ),
            (
                "Concrete",
                "The concrete is cast thin and sealed, half as heavy as you brace for.",
            ),
            (
                "Cork",
                "The cork is pressed without glue, warm to the hand and to the root.",
            ),
        ],
        openings: [
            "A {kind} for the plant you have been keeping in a yoghurt cup.",
            "This {kind} is wide enough to forget about for a week.",
            "The {kind} that makes basil look like a decision.",
            "A {kind} with a hole in the bottom and a saucer that fits.",
        ],
        care: [
            "Soak it before planting.",
            "Leave it out all year.",
            "Brush off the lime, or do not: it suits it.",
        ],
        facts: [
            "Drainage hole",
            "Saucer included",
            "Frost-proof",
            "Diameter 22 cm",
            "Felt feet",
            "Plant not included",
        ],
    },
    Shelf {
        slug: "clocks",
        name: "Clocks & Barometers",
        blurb: "What time it is, and what it will be like outside.",
        kinds: [
            ("Wall Clock", 64, 180),
            ("Barometer", 90, 260),
            ("Tide Clock", 78, 195),
            ("Mantel Clock", 85, 230),
        ],
        materials: [
            (
                "Brass",
                "The brass case closes with a thread, as on a ship, and keeps the salt out.",
            ),
            (
                "Walnut",
                "The walnut is cut from one piece, so the grain runs round the dial.",
            ),
            (
                "Steel",
                "The steel is brushed and waxed and looks best where it is a little scratched.",
            ),
            (
                "Bakelite",
                "The case is pressed on tools from 1954, found under a tarpaulin.",
            ),
            (
                "Birch",
                "The birch ply shows its seventeen layers at the edge.",
            ),
        ],
        openings: [
            "A {kind} you can read from across the room, without your glasses.",
            "This {kind} keeps time, keeps quiet, and keeps to itself.",
            "The {kind} for people who like to know before they open the door.",
            "A {kind} with hands that move as if they had thought about it.",
        ],
        care: [
            "One AA cell lasts two years.",
            "Tap the glass, everyone does.",
            "Hang it away from the stove.",
        ],
        facts: [
            "Silent movement",
            "Mineral glass",
            "Diameter 24 cm",
            "Hanger included",
            "Printed dial",
            "Guarantee 10 years",
        ],
    },
];
