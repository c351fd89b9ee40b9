package setting

// Asker may be implemented by settings. It lists the keys without which they cannot work,
// so that sluice init can write a configuration. The first answer of a source's settings
// names the source.
type Asker interface{ Questions() []Question }

// Question asks a person for one key.
type Question struct {
	Key     string
	Text    string // such as "Token of the input"
	Default string // empty: there must be an answer
	List    bool   // the answer has several values, with commas between them
	Secret  bool   // the answer goes into a file of its own, which KEY_file names
}
