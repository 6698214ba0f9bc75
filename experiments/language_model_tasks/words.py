"""Words that facts, keys and labels are made of. Values of a kind are plausible in each other's place."""

NAMES = ("Martha", "Oliver", "Clara", "Hugo", "Nadia", "Victor", "Irene", "Samuel", "Greta", "Felix",
         "Diana", "Walter", "Rosa", "Conrad", "Agnes", "Julian", "Edith", "Marcus", "Helen", "Oscar",
         "Laura", "Dennis", "Fiona", "Gilbert")
VALUES = {
    "colour": ("red", "blue", "green", "yellow", "purple", "orange", "black", "white", "pink", "brown"),
    "fruit": ("apple", "banana", "cherry", "lemon", "mango", "peach", "pear", "grape", "plum", "melon"),
    "animal": ("horse", "tiger", "rabbit", "eagle", "dolphin", "wolf", "bear", "snake", "fox", "owl"),
    "drink": ("tea", "coffee", "milk", "water", "wine", "beer", "juice", "cocoa"),
    "sport": ("tennis", "football", "golf", "swimming", "boxing", "cricket", "hockey", "chess"),
    "metal": ("gold", "silver", "iron", "copper", "steel", "tin", "lead", "zinc"),
}
CITIES = ("London", "Paris", "Berlin", "Madrid", "Rome", "Vienna", "Moscow", "Tokyo", "Boston", "Chicago",
          "Dublin", "Prague", "Oslo", "Athens", "Cairo", "Toronto", "Sydney", "Lisbon", "Delhi", "Geneva")
JOBS = ("teacher", "doctor", "lawyer", "farmer", "baker", "painter", "pilot", "singer", "writer", "nurse",
        "judge", "carpenter", "engineer", "chemist", "sailor", "tailor", "waiter", "soldier", "dentist",
        "librarian")
DOORS = ("red", "blue", "green", "yellow", "black", "white", "golden", "silver", "wooden", "iron")
