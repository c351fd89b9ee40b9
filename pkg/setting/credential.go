package setting

// File returns the path of the file that holds the secret; empty if no file does.
func (s Secret) File() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal().path
}
