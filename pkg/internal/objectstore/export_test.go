package objectstore

// Address is the URL of an object in a region.
func (s *S3) Address(region, key string) (string, error) {
	u, err := s.address(region, request{key: key})
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

// Machine sets the address of the metadata server.
func (a *Azure) Machine(address string) { a.machine = address }
