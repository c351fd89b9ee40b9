package echo

const Ahead = ahead

func (f *Filter) Beginning(text string, most int) string { return f.beginning(text, most) }
